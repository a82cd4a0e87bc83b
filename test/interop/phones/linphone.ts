import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '../../support/until.ts';
import type { Phone, PhoneCall, PhoneOptions } from './phone.ts';
import { PhoneProgram } from './phone-program.ts';
import { Reports } from './reports.ts';

/** A call's new state; or, without an id, what a command was answered. */
interface LinphoneReport {
  readonly state: string;
  readonly id?: string;
}

/** linphone-daemon without sound, controlled over its standard input. */
export async function startLinphone(options: PhoneOptions): Promise<Phone> {
  const args = ['--config', writeConfiguration(options), '--disable-stats-events'];
  const phone = new Linphone(options, new PhoneProgram('linphone-daemon', args, options.directory));
  await phone.registered();
  return phone;
}

/** linphonec, the same phone at a terminal: it says in its User-Agent that it is Linphone, which the daemon does not. */
export function startLinphonec(options: PhoneOptions): Pick<Phone, 'close'> {
  const program = new PhoneProgram('linphonec', ['-c', writeConfiguration(options)], options.directory);
  return {
    close: () => {
      program.stdin.write('quit\n');
      return program.exited();
    },
  };
}

class Linphone implements Phone {
  readonly #domain: string;
  readonly #program: PhoneProgram;
  readonly #reports: Reports<LinphoneReport>;

  constructor({ user, domain }: PhoneOptions, program: PhoneProgram) {
    this.#domain = domain;
    this.#program = program;
    this.#reports = new Reports(`linphone of ${user}`, ({ state, id = '' }) => `${id} ${state}`);
    let state = '';
    createInterface({ input: program.stdout }).on('line', (line) => {
      const [name = '', value = ''] = line.split(': ');
      if (name === 'Event') state = value;
      else if (name === 'Status') this.#reports.arrive({ state: value });
      else if (name === 'State') this.#reports.arrive({ state: value });
      else if (name === 'Id' && state !== '') {
        this.#reports.arrive({ state, id: value });
        state = '';
      }
    });
  }

  async registered(): Promise<void> {
    await until('linphone is registered', async () => {
      await this.command('register-status 1');
      const { state } = await this.next('its state', ({ id }) => id === undefined);
      return state === 'LinphoneRegistrationOk';
    });
  }

  call(user: string): Promise<PhoneCall> {
    return this.#outgoing(() => this.command(`call ${this.addressOf(user)}`));
  }

  async answer(): Promise<PhoneCall> {
    const { id = '' } = await this.next('a call', ({ state }) => state === 'LinphoneCallIncomingReceived');
    await this.command(`answer ${id}`);
    return this.#up(id);
  }

  followTransfer(): Promise<PhoneCall> {
    return this.#outgoing(async () => {});
  }

  async close(): Promise<void> {
    this.#program.stdin.write('quit\n');
    await this.#program.exited();
  }

  async command(line: string): Promise<void> {
    this.#program.stdin.write(`${line}\n`);
    const { state } = await this.next(line, ({ id }) => id === undefined);
    if (state !== 'Ok') throw new Error(`linphone refuses: ${line}`);
  }

  next(what: string, wants: (report: LinphoneReport) => boolean): Promise<LinphoneReport> {
    return this.#reports.take(what, wants);
  }

  /** What has been reported of a call so far: a state that is waited for next is to be news. */
  forget(id: string): void {
    this.#reports.forget((report) => report.id === id);
  }

  ended(id: string): Promise<unknown> {
    return this.#reports.when((report) => report.id === id && report.state === 'LinphoneCallEnd');
  }

  addressOf(user: string): string {
    return `sip:${user}@${this.#domain}`;
  }

  async #outgoing(start: () => Promise<void>): Promise<PhoneCall> {
    await start();
    const { id = '' } = await this.next('its call', ({ state }) => state === 'LinphoneCallOutgoingInit');
    return this.#up(id);
  }

  async #up(id: string): Promise<PhoneCall> {
    const call = new LinphoneCall(this, id);
    await call.reaches('LinphoneCallStreamsRunning');
    return call;
  }
}

class LinphoneCall implements PhoneCall {
  readonly id: string;
  readonly ended: Promise<void>;
  readonly #phone: Linphone;
  #over = false;

  constructor(phone: Linphone, id: string) {
    this.#phone = phone;
    this.id = id;
    this.ended = phone.ended(id).then(() => {
      this.#over = true;
    });
  }

  async reaches(state: string): Promise<void> {
    await this.#phone.next(state, (report) => report.id === this.id && report.state === state);
  }

  async hold(): Promise<void> {
    await this.#phone.command(`call-pause ${this.id}`);
    await this.reaches('LinphoneCallPaused');
    this.#phone.forget(this.id);
  }

  async resume(): Promise<void> {
    await this.#phone.command(`call-resume ${this.id}`);
    await this.reaches('LinphoneCallStreamsRunning');
  }

  async held(): Promise<void> {
    await this.reaches('LinphoneCallPausedByRemote');
    this.#phone.forget(this.id);
  }

  released(): Promise<void> {
    return this.reaches('LinphoneCallStreamsRunning');
  }

  transfer(user: string): Promise<void> {
    return this.#phone.command(`call-transfer ${this.id} ${this.#phone.addressOf(user)}`);
  }

  transferTo(consultation: PhoneCall): Promise<void> {
    if (!(consultation instanceof LinphoneCall)) throw new Error('a call of another phone');
    return this.#phone.command(`call-transfer ${this.id} ${consultation.id}`);
  }

  async hangUp(): Promise<void> {
    // After a transfer it may hang up by itself at the same moment, and then refuses.
    if (!this.#over) await this.#phone.command(`terminate ${this.id}`).catch(() => {});
    await this.ended;
  }
}

function writeConfiguration(options: PhoneOptions): string {
  const { user, password, domain, transport, port, ca, directory } = options;
  // It keeps a database there, and does not make the directory.
  mkdirSync(join(directory, '.local/share/linphone'), { recursive: true });
  // Its TLS library compares no addresses with a certificate, only names.
  const proxy = `sip:localhost:${port};transport=${transport}`;
  const config = [
    '[sip]',
    // Any free port.
    'sip_port=-1',
    'sip_tcp_port=-1',
    'sip_tls_port=-1',
    `root_ca=${ca}`,
    'verify_server_certs=1',
    'default_proxy=0',
    '[rtp]',
    'audio_rtp_port=-1',
    '[auth_info_0]',
    `username=${user}`,
    `userid=${user}`,
    `passwd=${password}`,
    `realm=${domain}`,
    '[proxy_0]',
    `reg_proxy=<${proxy}>`,
    `reg_route=<${proxy};lr>`,
    `reg_identity=sip:${user}@${domain}`,
    'reg_expires=300',
    'reg_sendregister=1',
    'publish=0',
  ];
  const file = join(directory, 'linphonerc');
  writeFileSync(file, `${config.join('\n')}\n`);
  return file;
}
