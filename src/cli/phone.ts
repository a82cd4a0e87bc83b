import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { formatListenAddress } from '../config/index.ts';
import type { Call, Softphone as Phone, SoftphoneEvent } from '../softphone/index.ts';
import { decodeIntentToken, loadIdentity, TokenError } from '../tokens/index.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { type Output, printable } from './output.ts';
import type { Terminal } from './terminal.ts';

interface PhoneOptions extends CommonOptions {
  readonly identity: string;
  readonly gateway?: string;
  readonly domain?: string;
  readonly call?: string;
  readonly intent?: string;
  readonly answer?: boolean;
  readonly hangUpAfter?: string;
}

const keys = 'call <whom> · answer · hangup · quit';

export function registerPhone(program: Command, terminal: Terminal): void {
  addCommand(program, {
    usage: 'phone',
    summary: 'a softphone for the terminal (signalling only; it carries no sound yet)',
    example:
      'phone --identity alice.json --gateway ws://127.0.0.1:5080 --call jis:bob --intent "callback, ticket 4711"',
  })
    .requiredOption('--identity <file>', 'identity file made by "identity new"')
    .option(
      '--gateway <url>',
      'ws:// or wss:// address of the gateway (else the first one of the configuration)',
    )
    .option('--domain <domain>', 'SIP domain (else the host of --gateway)')
    .option(
      '--call <whom>',
      'call once registered, and end when that call ends: jis:bob, 1007, a fingerprint',
    )
    .option('--intent <text>', 'what the call is about; it is signed and recorded')
    .option('--answer', 'answer every call')
    .option('--hang-up-after <seconds>', 'end an answered call after this time')
    .action(async (options: PhoneOptions) => {
      const { output, config } = openContext(terminal, options);
      const identity = await loadIdentity(options.identity, terminal.env['TIBET_SIP_PASSPHRASE']);
      const gateway = options.gateway ?? webSocketOf(config().listen.map(formatListenAddress));
      // Loaded late: SIP.js is large, and no other command needs it.
      const { Softphone } = await import('../softphone/index.ts');
      const session = new PhoneSession(options, output);
      const phone = new Softphone({
        token: identity.token,
        key: identity.key,
        gateway,
        ...(options.domain === undefined ? {} : { domain: options.domain }),
        onEvent: (event) => session.on(event),
      });
      output.note(`${identity.token.subject} at ${gateway} (${keys})`);
      await session.run(phone, terminal);
    });
}

/** One run of the terminal phone, from its start to a signal, `quit`, or the end of the call it was started for. */
class PhoneSession {
  readonly #options: PhoneOptions;
  readonly #output: Output;
  #phone: Phone | undefined;
  #current: Call | undefined;
  #placed = false;
  #placedCall: Call | undefined;
  #answered = false;
  #finish: (failure?: CliError) => void = () => {};

  constructor(options: PhoneOptions, output: Output) {
    this.#options = options;
    this.#output = output;
  }

  async run(phone: Phone, terminal: Terminal): Promise<void> {
    this.#phone = phone;
    const over = new Promise<CliError | undefined>((resolve) => {
      this.#finish = resolve;
    });
    const stopListening = terminal.onSignal(() => this.#finish());
    const lines = createInterface({ input: process.stdin });
    lines.on('line', (line) => this.#obey(line.trim()));
    // Something must keep the process alive while the phone waits for its gateway to come back.
    const alive = setInterval(() => {}, 60_000);
    await phone.start();
    const failure = await over;
    clearInterval(alive);
    lines.close();
    process.stdin.unref?.();
    await phone.close();
    stopListening();
    if (failure !== undefined) throw failure;
  }

  on(event: SoftphoneEvent): void {
    switch (event.kind) {
      case 'connected':
        this.#say(event.kind, 'connected');
        break;
      case 'registered':
        this.#say(event.kind, 'registered: can be called');
        this.#placeCall();
        break;
      case 'unregistered':
        this.#say(event.kind, 'not registered');
        break;
      case 'disconnected':
        this.#say(
          event.kind,
          `no connection to the gateway; trying again in ${(event.retryMs ?? 0) / 1000} s`,
        );
        break;
      case 'refused':
        this.#refused(event.status, event.reason);
        break;
      case 'incoming':
        this.#ring(event.call);
        break;
      case 'progress':
        if (event.status > 100)
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

  #refused(status: number, reason: string): void {
    const text = `registration refused: ${status} ${reason}`;
    this.#say('refused', text, { status, reason });
    if (this.#options.call !== undefined) this.#finish(new CliError('refused', text));
  }

  #placeCall(): void {
    const { call, intent } = this.#options;
    if (call === undefined || this.#placed) return;
    this.#placed = true;
    this.#dial(call, intent);
  }

  #dial(whom: string, intent: string | undefined): void {
    const dialled = this.#phone?.call(whom, intent);
    dialled?.then(
      (call) => {
        this.#current = call;
        this.#placedCall = call;
        this.#say('calling', `calling ${whom}`, { callId: call.callId });
      },
      (error: unknown) => this.#finish(new CliError('usage', `cannot call ${whom}: ${String(error)}`)),
    );
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
    if (this.#current !== undefined && !this.#options.answer) {
      this.#attempt(call.hangUp());
      return;
    }
    this.#current = call;
    if (this.#options.answer) this.#attempt(call.answer());
    else this.#output.note('  type "answer" or "hangup"');
  }

  #talk(call: Call): void {
    this.#answered = true;
    this.#say('answered', `in a call with ${call.remote}`, { callId: call.callId });
    const seconds = Number(this.#options.hangUpAfter);
    if (this.#options.hangUpAfter !== undefined)
      setTimeout(() => this.#attempt(call.hangUp()), seconds * 1000);
  }

  #end(call: Call, status: number | undefined, reason: string): void {
    this.#say(
      'ended',
      `call with ${call.remote} over: ${status === undefined ? reason : `${status} ${reason}`}`,
      {
        callId: call.callId,
        status,
      },
    );
    if (this.#current === call) this.#current = undefined;
    if (this.#options.call === undefined || (this.#placedCall !== undefined && this.#placedCall !== call))
      return;
    this.#finish(
      this.#answered ? undefined : new CliError('unavailable', `not answered: ${status ?? ''} ${reason}`),
    );
  }

  #obey(line: string): void {
    const [word, ...rest] = line.split(' ');
    if (word === 'quit') this.#finish();
    else if (word === 'answer' && this.#current) this.#attempt(this.#current.answer());
    else if (word === 'hangup' && this.#current) this.#attempt(this.#current.hangUp());
    else if (word === 'call' && rest.length > 0) this.#dial(rest.join(' '), this.#options.intent);
    else if (line !== '') this.#output.note(keys);
  }

  #attempt(action: Promise<void>): void {
    action.catch((error: unknown) => this.#say('error', String(error)));
  }

  #say(event: string, text: string, fields: object = {}): void {
    if (this.#output.json) this.#output.jsonLine({ event, ...fields });
    else this.#output.text(printable(text));
  }
}

/** What an incoming call declares; read, not verified: `audit verify-token` does that. */
function intentOf(
  headerField: string | undefined,
): { text: string; assurance: number; signer: string } | undefined {
  if (headerField === undefined) return undefined;
  try {
    const { intent, assurance, signer } = decodeIntentToken(headerField);
    return { text: intent.text, assurance, signer };
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
}

function webSocketOf(addresses: readonly string[]): string {
  const found = addresses.find((address) => address.startsWith('ws'));
  if (found !== undefined) return found;
  throw new CliError(
    'usage',
    'the configuration has no ws:// or wss:// listener',
    'name the gateway with --gateway',
  );
}
