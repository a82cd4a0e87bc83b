import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sandbox } from '../sandbox.ts';
import { toneSeconds, writeTone } from '../tone.ts';
import { LabPhone, type PhoneOptions } from './phone.ts';

/** linphonec in the phone's namespace, with files for a sound card. */
export function startLinphone(sandbox: Sandbox, options: PhoneOptions): LabPhone {
  const { name, password, domain, gateway, toneHertz, registerSeconds = 300 } = options;
  const directory = join(sandbox.directory, name);
  // It keeps a database there, and does not make the directory.
  mkdirSync(join(directory, '.local/share/linphone'), { recursive: true });
  const tone = join(directory, 'tone.wav');
  writeTone(tone, toneHertz, toneSeconds);
  const config = [
    '[sip]',
    'sip_port=5060',
    'sip_tcp_port=0',
    'sip_tls_port=0',
    'default_proxy=0',
    '[sound]',
    'echocancellation=0',
    '[auth_info_0]',
    `username=${name}`,
    `userid=${name}`,
    `passwd=${password}`,
    `realm=${domain}`,
    '[proxy_0]',
    `reg_proxy=<sip:${gateway};transport=udp>`,
    `reg_route=<sip:${gateway};transport=udp;lr>`,
    `reg_identity=sip:${name}@${domain}`,
    `reg_expires=${registerSeconds}`,
    'reg_sendregister=1',
    'publish=0',
  ];
  const file = join(directory, 'linphonerc');
  writeFileSync(file, `${config.join('\n')}\n`);
  const child = sandbox.spawn(name, ['linphonec', '-a', '-c', file], {
    env: { ...process.env, HOME: directory },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const phone = new LabPhone(name, child, {
    toneHertz,
    program: 'linphone',
    recordings: () =>
      readdirSync(directory)
        .filter((entry) => entry.startsWith('heard'))
        .map((entry) => join(directory, entry)),
    dial: (callee) => `call sip:${callee}@${domain}`,
    hangUp: 'terminate',
    quit: 'quit',
    established: ' connected.',
    ended: ' ended',
  });
  for (const line of ['soundcard use files', `play ${tone}`, `record ${join(directory, 'heard.wav')}`])
    phone.type(line);
  return phone;
}
