/**
 * A client of both protocols in a process of its own: `client.ts connect|listen|say QTEST QMP`. It prints what it hears, and
 * ends the session; or it says all at once, and prints how much it hears and the end of it.
 */

const [manner, qtestPath, qmpPath] = Deno.args;

/** Both sockets, the qtest protocol's first, as QEMU's test harness has them. */
async function open(path: string): Promise<Deno.UnixConn> {
  for (let tries = 0;; tries++) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function both(): Promise<Deno.UnixConn[]> {
  if (manner === "connect") return [await open(qtestPath), await open(qmpPath)];
  const listeners = [qtestPath, qmpPath].map((path) => Deno.listen({ transport: "unix", path }));
  console.log("listening");
  const connections = [await listeners[0].accept(), await listeners[1].accept()];
  for (const listener of listeners) listener.close();
  return connections;
}

const buffer = new Uint8Array(65536);

/** Sends a line, and hears one or more; with `last`, everything up to the end. */
async function say(connection: Deno.UnixConn, text: string, last = false): Promise<string> {
  if (text !== "") await connection.write(new TextEncoder().encode(text + "\n"));
  let heard = "";
  while (last || !heard.endsWith("\n")) {
    const length = await connection.read(buffer);
    if (length === null) break;
    heard += new TextDecoder().decode(buffer.subarray(0, length));
  }
  return heard.trimEnd();
}

/** Says all, closes its side, and hears the rest. */
async function sayAll(): Promise<void> {
  const connection = await open(qtestPath);
  await connection.write(new TextEncoder().encode("read 0 0x4000000\nendianness\n"));
  await connection.closeWrite();
  let [length, end] = [0, ""];
  for (let got = await connection.read(buffer); got !== null; got = await connection.read(buffer)) {
    length += got;
    end = (end + new TextDecoder().decode(buffer.subarray(0, got))).slice(-15);
  }
  console.log(`${length} ${end}`);
  Deno.exit(0);
}

if (manner === "say") await sayAll();
const [qtest, qmp] = await both();
console.log(await say(qtest, "outl 0xcf8 0x80000000"));
console.log(await say(qtest, "inl 0xcfc"));
if (manner === "connect") {
  for (const path of [qtestPath, qmpPath]) console.log((Deno.statSync(path).mode! & 0o777).toString(8));
}
console.log(Object.keys(JSON.parse(await say(qmp, ""))).join());
console.log(await say(qmp, '{"execute": "qmp_capabilities"}'));
const answers = await say(qmp, '{"execute": "quit"}', true);
console.log(answers.split("\r\n").map((line) => Object.keys(JSON.parse(line)).join()).join(" "));
for (const connection of [qtest, qmp]) connection.close();
