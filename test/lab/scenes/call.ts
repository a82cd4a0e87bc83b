import assert from 'node:assert/strict';
import type { Heard } from '../ear.ts';
import type { LabPhone } from '../phones/phone.ts';

/** From the answer until each hears the other. */
const soundWithinMs = 1_000;
/** How long to listen before giving up: what came too late is worth knowing. */
const patienceMs = 5_000;

export interface Sound {
  readonly hertz: number;
  readonly levelDb: number;
  readonly afterMs: number;
}

export interface AnsweredCall {
  readonly calleeHeard: Sound;
  readonly callerHeard: Sound;
}

/** One phone calls another by name; each must hear the other's tone within a second of the answer. */
export async function callAndListen(caller: LabPhone, callee: LabPhone): Promise<AnsweredCall> {
  const atCaller = caller.listenFor(callee.toneHertz);
  const atCallee = callee.listenFor(caller.toneHertz);
  callee.expectCall();
  caller.dial(callee.name);
  await Promise.all([caller.established(), callee.established()]);
  const answeredMs = performance.now();
  const [callerHeard, calleeHeard] = await Promise.all([
    atCaller.tone(patienceMs),
    atCallee.tone(patienceMs),
  ]);
  return {
    callerHeard: soundOf(caller, callee, callerHeard, answeredMs, soundWithinMs),
    calleeHeard: soundOf(callee, caller, calleeHeard, answeredMs, soundWithinMs),
  };
}

/** One of them hangs up; both must notice. */
export async function hangUp(one: LabPhone, other: LabPhone): Promise<void> {
  one.hangUp();
  await Promise.all([one.ended(), other.ended()]);
}

/** What was heard, if it was heard in time. */
export function soundOf(
  listener: LabPhone,
  player: LabPhone,
  heard: Heard | undefined,
  sinceMs: number,
  withinMs: number,
): Sound {
  assert.ok(heard, `${listener.name} does not hear ${player.name}:\n${listener.story()}\n${player.story()}`);
  const afterMs = Math.round(heard.atMs - sinceMs);
  assert.ok(afterMs <= withinMs, `${listener.name} hears ${player.name} only after ${afterMs} ms`);
  return { hertz: heard.hertz, levelDb: heard.levelDb, afterMs };
}

export function inWords({ hertz, levelDb, afterMs }: Sound): string {
  return `${hertz} Hz at ${levelDb.toFixed(1)} dB after ${Math.max(afterMs, 0)} ms`;
}
