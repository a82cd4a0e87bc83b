import type { CallOptions, CallResult } from './calling.ts';
import type { WireTransport } from './wire.ts';

/** What a load generator is asked to do, and what it answers: JSON between two processes. */
export interface Commands {
  /** Connects phones, named `prefix-0`, `prefix-1` … (or `prefix` alone), and registers each. */
  readonly register: { readonly asked: RegisterCommand; readonly answer: RegisterResult };
  /** All registered phones lose their connections at once, connect again and register again, until it works. */
  readonly reconnect: { readonly asked: { readonly port: number }; readonly answer: RegisterResult };
  /** Devices with their own keys register over UDP, each for the first time, or all that did once more. */
  readonly registerKeys: { readonly asked: KeysCommand; readonly answer: RegisterResult };
  /** Calls to registered phones from a UDP socket on `from`. */
  readonly call: { readonly asked: CallCommand; readonly answer: CallResult };
}

export interface RegisterCommand {
  readonly transport: WireTransport;
  readonly port: number;
  readonly prefix: string;
  /** Without it one phone, named `prefix`. */
  readonly count?: number;
  /** So many register in turn, again and again; without it each once. */
  readonly names?: number;
  /** Registrations under way at a time, */
  readonly atOnce?: number;
  /** or begun in a second. */
  readonly rate?: number;
  /** Where a phone over UDP is to be found; phones at one address share a socket. */
  readonly localPort?: number;
}

export interface KeysCommand {
  readonly port: number;
  readonly count: number;
  readonly rate: number;
  readonly again: boolean;
}

export interface RegisterResult {
  readonly registered: number;
  readonly failed: number;
  readonly retransmissions: number;
  readonly seconds: number;
}

export interface CallCommand extends CallOptions {
  readonly port: number;
  readonly from: string;
}

export type CommandName = keyof Commands;

/** `busy`: the share of a core that the generator used meanwhile. */
export type Busy = { readonly busy: number };

/** What a server takes from a phone: both sides know all passwords. */
export const passwordOf = (user: string): string => `pass-${user}`;
