/** Of registrations: enough to share a transaction of the store, and answered within some 20 ms. */
const maxUnderWay = 64;

/**
 * Lets work begin in the order in which it came, some at a time, with a turn of the event loop between: when all phones
 * come back at once, their registrations leave calls their share of every moment.
 */
export class Turns {
  #waiting: (() => Promise<void>)[] = [];
  #underWay = 0;
  #begunInTurn = 0;
  #armed = false;

  /** `work` never rejects. */
  add(work: () => Promise<void>): void {
    if (this.#waiting.length > 0 || this.#room === 0) this.#waiting.push(work);
    else this.#begin(work);
  }

  get #room(): number {
    return maxUnderWay - Math.max(this.#underWay, this.#begunInTurn);
  }

  #begin(work: () => Promise<void>): void {
    this.#underWay++;
    this.#begunInTurn++;
    this.#arm();
    void work().finally(() => {
      this.#underWay--;
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(this.#nextTurn);
  }

  readonly #nextTurn = (): void => {
    this.#armed = false;
    this.#begunInTurn = 0;
    const room = this.#room;
    const due = this.#waiting.slice(0, room);
    this.#waiting = this.#waiting.slice(room);
    for (const work of due) this.#begin(work);
  };
}
