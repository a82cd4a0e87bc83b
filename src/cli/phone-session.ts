import { createInterface } from 'node:readline';
import type { Call, Softphone, SoftphoneEvent } from '../softphone/index.ts';
import { decodeIntentToken, intentSubject, TokenError } from '../tokens/index.ts';
import type { ExitReason } from './exit-codes.ts';
import { CliError } from './failure.ts';
import { showValue } from './identity-attributes.ts';
import { type Output, printable } from './output.ts';
import type { KeptReceipt } from './receipt-book.ts';
import type { Terminal } from './terminal.ts';

/** What may be typed while the phone runs. */
export const keys = 'call <whom> · answer · hangup · quit';

export interface PhoneSessionOptions {
  /** Whom to call once registered; the session ends with that call. */
  readonly call?: string;
  readonly intent?: string;
  readonly answer?: boolean;
  /** What calls have to be about; the others are left to ring elsewhere. */
  readonly topic?: string;
  readonly hangUpAfterMs: number | undefined;
}

/** How long the process waits, once it has nothing left to do, for its connection to close. */
const lingerMs = 500;

/** For how long a phone that was started for one call looks for its gateway; others wait for as long as it takes. */
const firstConnectionMs = 10_000;

const startOne = 'start one with "tibet-sip serve", or say where it is with --gateway URL';

/** One run of the terminal phone, from its start to a signal, `quit`, or the end of the call it was started for. */
export class PhoneSession {
  readonly #options: PhoneSessionOptions;
  readonly #output: Output;
  /** Calls that are up or ring, oldest first; what is typed is about the newest. */
  readonly #calls: Call[] = [];
  readonly #timers = new Map<Call, NodeJS.Timeout>();
  #phone: Softphone | undefined;
  /** Set once the call of the command line has been dialled. */
  #dialled = false;
  /** The call of the command line. */
  #started: Call | undefined;
  #answered = false;
  #patience: NodeJS.Timeout | undefined;
  #finish: (failure?: CliError) => void = () => {};

  constructor(options: PhoneSessionOptions, output: Output) {
    this.#options = options;
    this.#output = output;
  }

  async run(phone: Softphone, terminal: Terminal): Promise<void> {
    this.#phone = phone;
    const over = new Promise<CliError | undefined>((resolve) => {
      this.#finish = resolve;
    });
    const stopListening = terminal.onSignal(() => this.#finish());
    // The end of the input ends nothing: a phone may run without a terminal.
    const lines = createInterface({ input: process.stdin });
    lines.on('line', (line) => this.#obey(line.trim()));
    // Something must keep the process alive while the phone waits for its gateway to come back.
    const alive = setInterval(() => {}, 60_000);
    if (this.#options.call !== undefined)
      this.#patience = setTimeout(
        () => this.#finish(new CliError('unavailable', 'no gateway answers there', startOne)),
        firstConnectionMs,
      );
    await phone.start();
    const failure = await over;
    clearTimeout(this.#patience);
    lines.close();
    process.stdin.unref?.();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await phone.close();
    clearInterval(alive);
    stopListening();
    // A WebSocket whose other end is dead closes after minutes only, and keeps the process alive until then.
    setTimeout(() => process.exit(), lingerMs).unref();
    if (failure !== undefined) throw failure;
  }

  on(event: SoftphoneEvent): void {
    switch (event.kind) {
      case 'connected':
        clearTimeout(this.#patience);
        this.#say(event.kind, 'connected');
        break;
      case 'registered':
        this.#say(event.kind, 'registered: can be called');
        this.#callOnce();
        break;
      case 'unregistered':
        this.#say(event.kind, 'not registered');
        break;
      case 'disconnected':
        this.#say(event.kind, `no connection to the gateway; ${soon(event.retryMs)}`, {
          retryMs: event.retryMs,
        });
        break;
      case 'refused':
        this.#refused(event.status, event.reason, event.retryMs);
        break;
      case 'incoming':
        this.#ring(event.call);
        break;
      case 'calling':
        this.#calling(event.call);
        break;
      case 'progress':
        this.#say('ringing', `ringing at ${event.call.remote}`, { status: event.status });
        break;
      case 'answered':
        this.#talk(event.call);
        break;
      case 'ended':
        this.#end(event.call, event.status, event.reason);
        break;
    }
  }

  /** A receipt of the gateway's log has come. */
  kept({ record, seq, fault }: KeptReceipt): void {
    const text = `receipt: record ${seq} of this identity is ${record.slice(0, 12)}`;
    this.#say('receipt', fault === undefined ? text : `${text}; BUT ${fault}`, { record, seq, fault });
  }

  #refused(status: number, reason: string, retryMs: number | undefined): void {
    const text = `registration refused: ${status} ${reason}`;
    this.#say('refused', retryMs === undefined ? text : `${text}; ${soon(retryMs)}`, {
      status,
      reason,
      retryMs,
    });
    if (retryMs === undefined) this.#finish(new CliError('refused', text));
  }

  /** Places the call of the command line, at the first registration only. */
  #callOnce(): void {
    const { call, intent, topic } = this.#options;
    if (call === undefined || this.#dialled) return;
    this.#dialled = true;
    this.#phone
      ?.call(call, intent, topic)
      .catch((error: unknown) =>
        this.#finish(new CliError('usage', `cannot call ${call}: ${messageOf(error)}`)),
      );
  }

  #calling(call: Call): void {
    this.#calls.push(call);
    if (this.#dialled) this.#started ??= call;
    this.#say('calling', `calling ${call.remote}`, { callId: call.callId, remote: call.remote });
  }

  #ring(call: Call): void {
    const intent = intentOf(call.intentToken);
    const said =
      intent === undefined ? 'with no readable intent' : `"${intent.text}", assurance ${intent.assurance}`;
    this.#say('incoming', `${call.remote} is calling: ${said}`, {
      callId: call.callId,
      remote: call.remote,
      intent,
    });
    const busy = this.#calls.length > 0;
    this.#calls.push(call);
    const { answer, topic } = this.#options;
    if (topic !== undefined && intent?.subject !== intentSubject(topic)) this.#attempt(call.hangUp(486));
    else if (answer) this.#attempt(call.answer());
    // Busy here, not declined: another phone of the same identity may answer.
    else if (busy) this.#attempt(call.hangUp(486));
    else this.#output.note('  type "answer" or "hangup"');
  }

  #talk(call: Call): void {
    if (this.#started === call) this.#answered = true;
    this.#say('answered', `in a call with ${call.remote}`, { callId: call.callId });
    const { hangUpAfterMs } = this.#options;
    if (hangUpAfterMs === undefined) return;
    this.#timers.set(
      call,
      setTimeout(() => this.#attempt(call.hangUp()), hangUpAfterMs),
    );
  }

  #end(call: Call, status: number | undefined, reason: string): void {
    const how = status === undefined ? reason : `${status} ${reason}`;
    this.#say('ended', `call with ${call.remote} over: ${how}`, { callId: call.callId, status, reason });
    clearTimeout(this.#timers.get(call));
    this.#timers.delete(call);
    const at = this.#calls.indexOf(call);
    if (at >= 0) this.#calls.splice(at, 1);
    if (this.#started !== call) return;
    this.#finish(
      this.#answered
        ? undefined
        : new CliError(reasonOf(status), `not answered by ${this.#options.call}: ${how}`),
    );
  }

  #obey(line: string): void {
    const [word, ...rest] = line.split(/\s+/);
    const current = this.#calls.at(-1);
    if (word === 'quit') this.#finish();
    else if (word === 'answer' && current) this.#attempt(current.answer());
    else if (word === 'hangup' && current) this.#attempt(current.hangUp());
    else if (word === 'call' && rest.length > 0 && !current)
      this.#attempt(this.#phone?.call(rest.join(' '), this.#options.intent, this.#options.topic));
    else if (line !== '') this.#output.note(keys);
  }

  #attempt(action: Promise<unknown> | undefined): void {
    action?.catch((error: unknown) => this.#say('error', messageOf(error), { message: messageOf(error) }));
  }

  #say(event: string, text: string, fields: object = {}): void {
    if (this.#output.json) this.#output.jsonLine({ event, ...fields });
    else this.#output.text(printable(text));
  }
}

/** How the program ends on the final response that kept a call from being answered. */
function reasonOf(status: number | undefined): ExitReason {
  switch (status) {
    case 404:
    case 604:
      return 'notFound';
    case 403:
    case 603:
    case 607:
    case 608:
      return 'refused';
    default:
      return 'unavailable';
  }
}

function soon(ms: number): string {
  return `trying again in ${(ms / 1000).toFixed(1)} s`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface ShownIntent {
  readonly text: string;
  readonly assurance: number;
  readonly signer: string;
  readonly subject: string | undefined;
  readonly node: string | undefined;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** What an incoming call declares; read, not verified: `audit verify-token` does that. */
function intentOf(headerField: string | undefined): ShownIntent | undefined {
  if (headerField === undefined) return undefined;
  try {
    const { intent, assurance, signer, subject, node, attributes } = decodeIntentToken(headerField);
    const shown = attributes.map(({ name, value }) => [name, showValue(value)] as const);
    return { text: intent.text, assurance, signer, subject, node, attributes: Object.fromEntries(shown) };
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
}
