/**
 * Tables and trees for a terminal.
 *
 * @module
 */

import type { TreeNode } from "../report/report.ts";
import { type Style, width } from "./style.ts";

const INDENT = "  ";

/**
 * Rows under a header, aligned; `align` has one letter a column: `l` or `r`. A last column on the left is not padded.
 */
export function drawTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  align: string,
  style: Style,
): string[] {
  const widths = header.map((title, i) => Math.max(width(title), ...rows.map((row) => width(row[i] ?? ""))));
  const line = (cells: readonly string[]) =>
    INDENT + cells.map((cell, i) => pad(cell, widths[i], align[i])).join("  ").trimEnd();
  return [style.dim(line(header)), ...rows.map(line)];
}

/** Names and values, the values aligned. */
export function drawPairs(pairs: readonly (readonly [string, string])[], indent: string, style: Style): string[] {
  const longest = Math.max(0, ...pairs.map(([name]) => width(name)));
  return pairs.map(([name, value]) => `${indent}${style.dim(pad(name, longest, "l"))}  ${value}`);
}

function pad(text: string, to: number, side: string): string {
  const space = " ".repeat(Math.max(0, to - width(text)));
  return side === "r" ? space + text : text + space;
}

/** A tree with lines to its branches. The details of one level are aligned. */
export function drawTree(root: TreeNode, style: Style): string[] {
  return [INDENT + nodeText(root, 0, style.bold, style), ...drawBranches(root.children, INDENT, style)];
}

function drawBranches(nodes: readonly TreeNode[], indent: string, style: Style): string[] {
  const longest = Math.max(0, ...nodes.map((node) => width(node.label)));
  return nodes.flatMap((node, i) => {
    const last = i === nodes.length - 1;
    const own = indent + style.dim(last ? "└─ " : "├─ ") + nodeText(node, longest, (label) => label, style);
    return [own, ...drawBranches(node.children, indent + style.dim(last ? "   " : "│  "), style)];
  });
}

function nodeText(node: TreeNode, longest: number, label: (text: string) => string, style: Style): string {
  if (!node.detail) return label(node.label);
  return label(pad(node.label, longest, "l")) + "  " + style.dim(node.detail);
}
