/** In one turn of the event loop; each costs some 30 us above us. */
const maxPerTurn = 100;

/**
 * What is to be done about connections that have ended, in order. Where a network fails, thousands end in one turn of the
 * event loop, and a call must not wait until all of them have been seen to: the rest is done in the turns that follow.
 */
export class Farewells {
  #waiting: (() => void)[] = [];
  #doneInTurn = 0;
  #turn: NodeJS.Immediate | undefined;

  add(farewell: () => void): void {
    this.#turn ??= setImmediate(this.#nextTurn);
    if (this.#doneInTurn >= maxPerTurn) {
      this.#waiting.push(farewell);
      return;
    }
    this.#doneInTurn++;
    farewell();
  }

  /** Does all that is left. */
  finish(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#doneInTurn = 0;
    for (const farewell of this.#waiting.splice(0)) farewell();
  }

  readonly #nextTurn = (): void => {
    const due = this.#waiting.slice(0, maxPerTurn);
    this.#waiting = this.#waiting.slice(maxPerTurn);
    this.#doneInTurn = due.length;
    this.#turn = due.length === 0 ? undefined : setImmediate(this.#nextTurn);
    for (const farewell of due) farewell();
  };
}
