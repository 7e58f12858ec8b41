/**
 * The hardware half: the domain that serves devices, standing in the bridge, and the hypervisor below it.
 *
 * @module
 */

export { type BackendDirectory, type BackendOptions, GrantBackend } from "./hardware/backend.ts";
export { XenMachine, type XenMachineOptions } from "./hardware/machine.ts";
