throw new Error("no manifest here");
