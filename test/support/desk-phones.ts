import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endWithTest } from './processes.ts';
import { freePort } from './sipp.ts';
import { domain, type StockPhone } from './stock-phones.ts';

/** A phone program of somebody else that runs beside the test. */
export interface DeskPhone {
  /** What it has printed so far. */
  readonly output: () => string;
  /** Asks it to end, as its user would. */
  stop(): Promise<void>;
}

interface DeskPhoneOptions {
  readonly phone: StockPhone;
  readonly gatewayPort: number;
  /** For its configuration. */
  readonly directory: string;
}

/** Why a program cannot be tried here, and what to do about it; undefined when it can. */
export function whyMissing(program: string, debianPackage: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(':');
  if (directories.some((directory) => existsSync(join(directory, program)))) return undefined;
  return `${program} is not installed: apt-get install --no-install-recommends ${debianPackage}`;
}

/** baresip without sound that answers every call; it registers over UDP. */
export function startBaresip({ phone, gatewayPort, directory }: DeskPhoneOptions): DeskPhone {
  mkdirSync(directory, { recursive: true });
  const { user, password } = phone;
  const config = [
    'sip_listen 127.0.0.1:0',
    // It leaves the loopback device out unless it is told the address.
    'net_interface 127.0.0.1',
    'audio_player aubridge,nil',
    'audio_source aubridge,nil',
    'audio_alert aubridge,nil',
    `module_path ${baresipModules()}`,
    'module g711.so',
    'module aubridge.so',
    'module_app account.so',
    'module_app menu.so',
  ];
  const account = `<sip:${user}@127.0.0.1:${gatewayPort};transport=udp>;auth_user=${user};auth_pass=${password};regint=300;answermode=auto`;
  writeFileSync(join(directory, 'config'), `${config.join('\n')}\n`);
  writeFileSync(join(directory, 'accounts'), `${account}\n`);
  writeFileSync(join(directory, 'contacts'), '');
  return deskPhone(
    spawn('baresip', ['-4', '-f', directory], { stdio: ['ignore', 'pipe', 'pipe'] }),
    (child) => child.kill('SIGTERM'),
  );
}

function baresipModules(): string {
  const places = ['/usr/lib/baresip/modules', '/usr/local/lib/baresip/modules'];
  return places.find((place) => existsSync(place)) ?? '';
}

/** linphonec; it registers over UDP and would ring. */
export async function startLinphone({ phone, gatewayPort, directory }: DeskPhoneOptions): Promise<DeskPhone> {
  const { user, password } = phone;
  // It keeps a database there, and does not make the directory.
  mkdirSync(join(directory, '.local/share/linphone'), { recursive: true });
  const config = [
    '[sip]',
    `sip_port=${await freePort()}`,
    'sip_tcp_port=0',
    'sip_tls_port=0',
    'default_proxy=0',
    '[auth_info_0]',
    `username=${user}`,
    `userid=${user}`,
    `passwd=${password}`,
    `realm=${domain}`,
    '[proxy_0]',
    `reg_proxy=<sip:127.0.0.1:${gatewayPort};transport=udp>`,
    `reg_identity=sip:${user}@${domain}`,
    'reg_expires=300',
    'reg_sendregister=1',
    'publish=0',
  ];
  const file = join(directory, 'linphonerc');
  writeFileSync(file, `${config.join('\n')}\n`);
  const child = spawn('linphonec', ['-c', file], {
    env: { ...process.env, HOME: directory },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return deskPhone(child, () => child.stdin.write('quit\n'));
}

/** How long a phone may take to unregister before it is killed. */
const goodbyeMs = 5_000;

function deskPhone(child: ChildProcess, quit: (child: ChildProcess) => void): DeskPhone {
  endWithTest(child);
  const parts: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (part: string) => parts.push(part));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    output: () => parts.join(''),
    stop: async () => {
      quit(child);
      const timer = setTimeout(() => child.kill('SIGKILL'), goodbyeMs);
      await exited;
      clearTimeout(timer);
    },
  };
}
