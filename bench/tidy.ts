// What is to be undone before the program ends, however it ends.

type Undo = () => unknown;

const undos: Undo[] = [];

/** Runs `undo` when the program ends; the latest first. */
export function atEnd(undo: Undo): void {
  undos.push(undo);
}

/** Undoes everything. What fails is told and does not keep the rest from being undone. */
export async function tidy(): Promise<void> {
  for (let undo = undos.pop(); undo; undo = undos.pop()) {
    try {
      await undo();
    } catch (error) {
      console.error(`bench: cleaning up: ${String(error)}`);
    }
  }
}
