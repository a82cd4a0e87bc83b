import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import { until } from '../../support/until.ts';
import type { Phone, PhoneCall, PhoneOptions } from './phone.ts';
import { PhoneProgram } from './phone-program.ts';
import { Reports } from './reports.ts';

/** An event of its `ctrl_tcp` module. */
interface BaresipEvent {
  readonly type: string;
  readonly direction: string;
  /** Its Call-ID. */
  readonly id: string;
  readonly param: string;
}

/** baresip without sound, controlled over its TCP interface. */
export async function startBaresip(options: PhoneOptions): Promise<Phone> {
  const controlPort = await freePort();
  writeConfiguration(options, controlPort);
  const program = new PhoneProgram('baresip', ['-4', '-f', options.directory], options.directory);
  const control = await reach(controlPort, program);
  const phone = new Baresip(options, program, control);
  // Only now: it tells those who listen, not those who ask later.
  phone.command('uanew', accountOf(options));
  await phone.next('REGISTER_OK');
  return phone;
}

class Baresip implements Phone {
  readonly #domain: string;
  readonly #program: PhoneProgram;
  readonly #control: Socket;
  readonly #reports: Reports<BaresipEvent>;

  constructor({ user, domain }: PhoneOptions, program: PhoneProgram, control: Socket) {
    this.#domain = domain;
    this.#program = program;
    this.#control = control;
    this.#reports = new Reports(`baresip of ${user}`, ({ type, param }) => `${type} ${param}`);
    let buffered = '';
    control.setEncoding('utf8').on('data', (part: string) => {
      buffered += part;
      for (let netstring = first(buffered); netstring !== undefined; netstring = first(buffered)) {
        buffered = netstring.rest;
        this.#reports.arrive(eventOf(netstring.payload));
      }
    });
  }

  async call(user: string): Promise<PhoneCall> {
    this.command('dial', this.addressOf(user));
    return this.#up('outgoing');
  }

  async answer(): Promise<PhoneCall> {
    await this.next('CALL_INCOMING');
    this.command('accept');
    return this.#up('incoming');
  }

  async followTransfer(): Promise<PhoneCall> {
    await this.next('TRANSFER');
    return this.#up('outgoing');
  }

  async close(): Promise<void> {
    if (this.#program.running) this.command('quit');
    await this.#program.exited();
    this.#control.destroy();
  }

  command(command: string, params = ''): void {
    const payload = JSON.stringify({ command, params });
    this.#control.write(`${payload.length}:${payload},`);
  }

  next(type: string, wants: (event: BaresipEvent) => boolean = () => true): Promise<BaresipEvent> {
    return this.#reports.take(type, (event) => event.type === type && wants(event));
  }

  async remoteSdp(kind: 'offer' | 'answer', id: string): Promise<void> {
    await this.next('CALL_REMOTE_SDP', (event) => event.id === id && event.param === kind);
  }

  closed(id: string): Promise<unknown> {
    return this.#reports.when((event) => event.type === 'CALL_CLOSED' && event.id === id);
  }

  addressOf(user: string): string {
    return `sip:${user}@${this.#domain}`;
  }

  async #up(direction: string): Promise<PhoneCall> {
    const { id } = await this.next('CALL_ESTABLISHED', (event) => event.direction === direction);
    await this.remoteSdp(direction === 'outgoing' ? 'answer' : 'offer', id);
    return new BaresipCall(this, id);
  }
}

/** Its commands mean the newest call. */
class BaresipCall implements PhoneCall {
  readonly ended: Promise<void>;
  readonly #phone: Baresip;
  readonly #id: string;
  #over = false;

  constructor(phone: Baresip, id: string) {
    this.#phone = phone;
    this.#id = id;
    this.ended = phone.closed(id).then(() => {
      this.#over = true;
    });
  }

  async hold(): Promise<void> {
    this.#phone.command('hold');
    await this.#phone.remoteSdp('answer', this.#id);
  }

  async resume(): Promise<void> {
    this.#phone.command('resume');
    await this.#phone.remoteSdp('answer', this.#id);
  }

  held(): Promise<void> {
    return this.#phone.remoteSdp('offer', this.#id);
  }

  released(): Promise<void> {
    return this.#phone.remoteSdp('offer', this.#id);
  }

  /** It hangs up by itself when it hears that the other side has got through. */
  async transfer(user: string): Promise<void> {
    this.#phone.command('transfer', this.#phone.addressOf(user));
  }

  transferTo(): Promise<void> {
    return Promise.reject(new Error('baresip 1.0 has no attended transfer'));
  }

  async hangUp(): Promise<void> {
    if (!this.#over) this.#phone.command('hangup');
    await this.ended;
  }
}

function writeConfiguration(options: PhoneOptions, controlPort: number): void {
  const { ca, directory } = options;
  mkdirSync(directory, { recursive: true });
  const config = [
    'sip_listen 127.0.0.1:0',
    // It leaves the loopback device out unless it is told the address.
    'net_interface 127.0.0.1',
    `sip_cafile ${ca}`,
    'audio_player aubridge,nil',
    'audio_source aubridge,nil',
    'audio_alert aubridge,nil',
    `module_path ${modules.find((place) => existsSync(place)) ?? ''}`,
    'module g711.so',
    'module aubridge.so',
    'module_app account.so',
    'module_app menu.so',
    'module_app debug_cmd.so',
    'module_app ctrl_tcp.so',
    `ctrl_tcp_listen 127.0.0.1:${controlPort}`,
  ];
  writeFileSync(join(directory, 'config'), `${config.join('\n')}\n`);
  for (const file of ['accounts', 'contacts']) writeFileSync(join(directory, file), '');
}

function accountOf({ user, password, domain, transport, port }: PhoneOptions): string {
  return [
    `<sip:${user}@${domain};transport=${transport}>`,
    `auth_user=${user}`,
    `auth_pass=${password}`,
    'regint=300',
    `outbound="sip:127.0.0.1:${port};transport=${transport}"`,
  ].join(';');
}

const modules = ['/usr/lib/baresip/modules', '/usr/local/lib/baresip/modules'];

async function reach(port: number, program: PhoneProgram): Promise<Socket> {
  let found: Socket | undefined;
  const tryOnce = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      if (!program.running) return reject(new Error(`baresip has ended: ${program.output}`));
      const socket = connect(port, '127.0.0.1');
      socket.once('error', () => resolve(false));
      socket.once('connect', () => {
        found = socket.on('error', () => {});
        resolve(true);
      });
    });
  await until('baresip takes commands', tryOnce);
  if (found === undefined) throw new Error('unreachable');
  return found;
}

/** Splits the first whole netstring off. */
function first(text: string): { payload: string; rest: string } | undefined {
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const end = colon + 1 + Number(text.slice(0, colon));
  return text.length > end ? { payload: text.slice(colon + 1, end), rest: text.slice(end + 1) } : undefined;
}

function eventOf(payload: string): BaresipEvent {
  const said = JSON.parse(payload) as Partial<BaresipEvent>;
  return {
    type: said.type ?? 'response',
    direction: said.direction ?? '',
    id: said.id ?? '',
    param: said.param ?? '',
  };
}
