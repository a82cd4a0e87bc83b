import type { Clock, Timer } from '../../base/index.ts';

/** Who is called when a timer falls due: an object with a name for the timer instead of a closure a timer. */
export interface TimerOwner<Name extends string> {
  onTimer(name: Name): void;
}

/** 4096 slots of 10 ms span 41 s: all transaction timers need one visit, Timer C a handful. */
const defaultTickMs = 10;
const slotCount = 4096;

/**
 * A hashed timer wheel: all transaction timers on one timer of the clock, which is only set while any is pending.
 * Starting and cancelling cost a few assignments. A timer fires up to one tick late, never early.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots: (WheelTimer | undefined)[] = new Array<WheelTimer | undefined>(slotCount).fill(undefined);
  #pending = 0;
  /** The last tick whose timers have fired. */
  #currentTick: number;
  #armed: Timer | undefined;
  #armedTick = 0;
  #firing = false;

  constructor(clock: Clock, tickMs: number = defaultTickMs) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#currentTick = this.#tickNow();
  }

  get pending(): number {
    return this.#pending;
  }

  start<Name extends string>(delayMs: number, owner: TimerOwner<Name>, name: Name): Timer {
    // An idle wheel does not turn: it catches up before it takes the next timer.
    if (this.#pending === 0 && !this.#firing) this.#currentTick = this.#tickNow();
    const due = Math.ceil((this.#clock.monotonicMs() + delayMs) / this.#tickMs);
    const timer: WheelTimer = new NamedTimer(this, Math.max(due, this.#currentTick + 1), owner, name);
    const slot = timer.dueTick % slotCount;
    const head = this.#slots[slot];
    timer.next = head;
    if (head !== undefined) head.previous = timer;
    this.#slots[slot] = timer;
    this.#pending++;
    if (!this.#firing && (this.#armed === undefined || timer.dueTick < this.#armedTick))
      this.#arm(timer.dueTick);
    return timer;
  }

  remove(timer: WheelTimer): void {
    if (timer.previous !== undefined) timer.previous.next = timer.next;
    else this.#slots[timer.dueTick % slotCount] = timer.next;
    if (timer.next !== undefined) timer.next.previous = timer.previous;
    timer.previous = undefined;
    timer.next = undefined;
    this.#pending--;
    if (this.#pending === 0 && !this.#firing) this.#disarm();
  }

  #tickNow(): number {
    return Math.floor(this.#clock.monotonicMs() / this.#tickMs);
  }

  #arm(tick: number): void {
    this.#disarm();
    this.#armedTick = tick;
    const delayMs = Math.max(0, Math.ceil(tick * this.#tickMs - this.#clock.monotonicMs()));
    this.#armed = this.#clock.setTimer(delayMs, this.#turn);
  }

  #disarm(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
  }

  readonly #turn = (): void => {
    this.#armed = undefined;
    this.#firing = true;
    try {
      const now = this.#tickNow();
      while (this.#currentTick < now && this.#pending > 0) {
        this.#currentTick++;
        this.#fireSlot(this.#currentTick);
      }
      this.#currentTick = now;
    } finally {
      this.#firing = false;
      if (this.#pending > 0) this.#arm(this.#nextTick());
    }
  };

  /** Fires what is due; a callback may cancel any timer of the slot, so the walk starts over after each one. */
  #fireSlot(tick: number): void {
    let timer = this.#slots[tick % slotCount];
    while (timer !== undefined) {
      if (timer.dueTick > tick) {
        timer = timer.next;
        continue;
      }
      timer.fire();
      timer = this.#slots[tick % slotCount];
    }
  }

  /** The next tick with an occupied slot: a lone Timer C does not wake the process every 10 ms. */
  #nextTick(): number {
    for (let tick = this.#currentTick + 1; tick < this.#currentTick + slotCount; tick++) {
      if (this.#slots[tick % slotCount] !== undefined) return tick;
    }
    return this.#currentTick + slotCount;
  }
}

/** An entry of the wheel; `undefined` neighbours mean the end of its slot's list. */
interface WheelTimer extends Timer {
  readonly dueTick: number;
  previous: WheelTimer | undefined;
  next: WheelTimer | undefined;
  fire(): void;
}

class NamedTimer<Name extends string> implements WheelTimer {
  readonly dueTick: number;
  previous: WheelTimer | undefined;
  next: WheelTimer | undefined;
  readonly #wheel: TimerWheel;
  readonly #owner: TimerOwner<Name>;
  readonly #name: Name;
  #waiting = true;

  constructor(wheel: TimerWheel, dueTick: number, owner: TimerOwner<Name>, name: Name) {
    this.#wheel = wheel;
    this.dueTick = dueTick;
    this.#owner = owner;
    this.#name = name;
  }

  fire(): void {
    this.cancel();
    this.#owner.onTimer(this.#name);
  }

  cancel(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#wheel.remove(this);
  }
}
