/** A module that breaks when it is loaded. */

throw new Error("not today");
