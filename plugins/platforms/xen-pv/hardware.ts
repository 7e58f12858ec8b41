/**
 * The hardware half: a bus on which addresses are machine addresses, and the hypervisor that hands machine frames out.
 *
 * @module
 */

export { PvMachine, pvMachineOf, type PvMachineOptions } from "./hardware/machine.ts";
