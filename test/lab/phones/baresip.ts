import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sandbox } from '../sandbox.ts';
import { toneSeconds, writeTone } from '../tone.ts';
import { LabPhone, type PhoneOptions } from './phone.ts';

/** baresip in the phone's namespace: it plays its tone into every call and records what it hears. */
export function startBaresip(sandbox: Sandbox, options: PhoneOptions): LabPhone {
  const { name, password, domain, gateway, toneHertz, registerSeconds = 300, keepsAlive = true } = options;
  const directory = join(sandbox.directory, name);
  mkdirSync(directory, { recursive: true });
  const tone = join(directory, 'tone.wav');
  writeTone(tone, toneHertz, toneSeconds);
  const config = [
    'sip_listen 0.0.0.0:5060',
    `audio_source aufile,${tone}`,
    'audio_player aubridge,nil',
    'audio_alert aubridge,nil',
    'ausrc_srate 8000',
    'auplay_srate 8000',
    'ausrc_channels 1',
    'auplay_channels 1',
    `snd_path ${directory}`,
    `module_path ${modules()}`,
    ...['stdio', 'g711', 'aufile', 'aubridge', 'sndfile'].map((module) => `module ${module}.so`),
    ...['uuid', 'account', 'menu'].map((module) => `module_app ${module}.so`),
  ];
  const account = [
    `<sip:${name}@${domain};transport=udp>`,
    `auth_user=${name}`,
    `auth_pass=${password}`,
    `outbound="sip:${gateway};transport=udp"`,
    `regint=${registerSeconds}`,
    'answermode=auto',
    ...(keepsAlive ? ['sipnat=outbound'] : []),
  ];
  writeFileSync(join(directory, 'config'), `${config.join('\n')}\n`);
  writeFileSync(join(directory, 'accounts'), `${account.join(';')}\n`);
  writeFileSync(join(directory, 'contacts'), '');
  const child = sandbox.spawn(name, ['baresip', '-4', '-v', '-f', directory], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return new LabPhone(name, child, {
    toneHertz,
    program: 'baresip',
    recordings: () =>
      readdirSync(directory)
        .filter((file) => file.startsWith('dump-') && file.endsWith('-dec.wav'))
        .map((file) => join(directory, file)),
    dial: (callee) => `/dial sip:${callee}@${domain}`,
    hangUp: '/hangup',
    quit: '/quit',
    established: 'Call established',
    ended: 'audio: destroyed',
  });
}

function modules(): string {
  const places = ['/usr/lib/baresip/modules', '/usr/local/lib/baresip/modules'];
  return places.find((place) => existsSync(place)) ?? '';
}
