/** Numbers for objects that many entries refer to, such as flows: an entry outside of the heap can hold no reference. */
export class SharedObjects {
  readonly #objects: (object | undefined)[] = [];
  /** How many hold it. */
  readonly #holders: number[] = [];
  readonly #free: number[] = [];
  /** Numbers that objects had; who has one now, `#objects` says. */
  readonly #numbers = new WeakMap<object, number>();

  /** To be given back as often as it was taken. */
  take(object: object): number {
    const known = this.#numbers.get(object);
    if (known !== undefined && this.#objects[known] === object) {
      this.#holders[known] = (this.#holders[known] ?? 0) + 1;
      return known;
    }
    const number = this.#free.pop() ?? this.#objects.length;
    this.#objects[number] = object;
    this.#holders[number] = 1;
    this.#numbers.set(object, number);
    return number;
  }

  get(number: number): object | undefined {
    return this.#objects[number];
  }

  giveBack(number: number): void {
    const left = (this.#holders[number] ?? 0) - 1;
    this.#holders[number] = left;
    if (left > 0) return;
    this.#objects[number] = undefined;
    this.#free.push(number);
  }
}
