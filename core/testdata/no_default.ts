/** A module that is no plugin. */

export const plugin = {};
