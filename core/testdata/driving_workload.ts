/** A workload that needs a device. */

import counting from "./counting_workload.ts";

export default { ...counting, name: "driving", drives: "slots" };
