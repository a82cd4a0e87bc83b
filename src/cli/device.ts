import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { randomId, systemRandom } from '../base/index.ts';
import { type Config, formatListenAddress } from '../config/index.ts';
import type { IdentityOverlay } from '../overlay/index.ts';
import { mintDigestCredential } from '../sip/index.ts';
import { jisPrefix, sipUserOf } from '../tokens/index.ts';
import { addCommand, addGroup, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { subjectOf } from './identity-source.ts';
import { formatTime } from './output.ts';
import { allPages, withOverlay } from './overlay-access.ts';
import { type PhoneRow, parsePhones } from './phones-csv.ts';
import type { Terminal } from './terminal.ts';

/** What has to be typed into a phone. The password is not kept: it is shown once. */
interface DeviceSetup {
  readonly name: string;
  readonly fingerprint: string;
  readonly extension: string | undefined;
  readonly username: string;
  readonly password: string;
  readonly domain: string;
  readonly realm: string;
  /** Where to connect. */
  readonly server: string;
  /** The user name had a password before, which is no longer good. */
  readonly replaced: boolean;
}

interface AddOptions extends CommonOptions {
  readonly extension?: string;
  readonly username?: string;
  readonly password?: string;
}

/** 100 bits: 20 letters and digits that a person can type. */
const passwordBits = 100;

export function registerDevice(program: Command, terminal: Terminal): void {
  const group = addGroup(program, 'device', 'stock phones: they get a password, the gateway holds their key');

  addCommand(group, {
    usage: 'add <name>',
    summary: 'mint credentials for a stock phone and print what to type into it',
    example: 'device add jis:desk-7 --extension 1007',
  })
    .option('--extension <number>', 'number under which it can be called')
    .option('--username <name>', 'digest user name (else the extension, else the name)')
    .option('--password <text>', 'password (else one is minted, which is safer)')
    .action(async (name: string, options: AddOptions) => {
      const { output, config } = openContext(terminal, options);
      const setup = await withOverlay(config(), (overlay) =>
        addDevice(overlay, config(), { ...options, name }),
      );
      output.document(setup, [
        ['name', setup.name],
        ['fingerprint', setup.fingerprint],
        ['user name', setup.username],
        ['password', setup.password],
        ['domain', setup.domain],
        ['server', setup.server],
        ['realm', setup.realm === setup.domain ? undefined : setup.realm],
        ['called at', `sip:${setup.extension ?? sipUserOf(setup.name)}@${setup.domain}`],
      ]);
      output.note(
        'Type user name, password and domain into the phone now: the password is not kept and not shown again.' +
          (setup.replaced ? `\nThe password that ${setup.username} had before is no longer good.` : ''),
      );
    });

  addCommand(group, {
    usage: 'import <file>',
    summary:
      'add many phones from CSV with the columns name, extension, password; an empty password is minted',
    example: 'device import phones.csv --json > secrets.jsonl',
  }).action(async (file: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const phones = parsePhones(readFileSync(file, 'utf8'));
    for (const phone of phones) deviceName(phone.name);
    const setups: DeviceSetup[] = [];
    await withOverlay(config(), async (overlay) => {
      for (const phone of phones) setups.push(await addRow(overlay, config(), phone));
    });
    output.list(
      setups,
      [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'EXTENSION', value: ({ extension }) => extension ?? '' },
        { title: 'USER NAME', value: ({ username }) => username },
        { title: 'PASSWORD', value: ({ password }) => password },
        { title: 'DOMAIN', value: ({ domain }) => domain },
      ],
      `${file} lists no phones`,
    );
    output.note(`${setups.length} phones added. The passwords are not kept and not shown again.`);
  });

  addCommand(group, {
    usage: 'list',
    summary: 'list stock phones',
    example: 'device list --json',
  }).action(async (options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const rows = await withOverlay(config(), async (overlay) => {
      const credentials = await allPages((page) => overlay.devices(page));
      return Promise.all(
        credentials.map(async ({ username, realm, fingerprint, createdAtMs }) => {
          const identity = await overlay.lookup(fingerprint);
          return {
            name: identity?.name ?? '',
            extensions: identity?.aliases ?? [],
            username,
            realm,
            fingerprint,
            added: formatTime(createdAtMs / 1000),
            registered: (await overlay.bindings(fingerprint)).length,
          };
        }),
      );
    });
    output.list(
      rows.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'EXTENSIONS', value: ({ extensions }) => extensions.join(' ') },
        { title: 'USER NAME', value: ({ username }) => username },
        { title: 'REGISTERED', value: ({ registered }) => String(registered) },
        { title: 'ADDED', value: ({ added }) => added },
      ],
      'no stock phones; add one with: tibet-sip device add jis:desk-7 --extension 1007',
    );
  });

  addCommand(group, {
    usage: 'remove <who>',
    summary: 'take the credentials of a phone away, by user name, or of all phones of a name',
    example: 'device remove jis:desk-7',
  }).action(async (who: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const removed = await withOverlay(config(), (overlay) => removeDevices(overlay, who));
    if (removed.length === 0)
      throw new CliError('notFound', `no phone is known as ${who}`, 'list them with: tibet-sip device list');
    output.document({ removed }, [['removed', removed.join(', ')]]);
  });
}

/** What a phone connects to, as far as the configuration tells it. */
function serverOf({ advertise, listen }: Config): string {
  return listen
    .map((address) => formatListenAddress({ ...address, host: advertise ?? address.host }))
    .join(' ');
}

function deviceName(text: string): string {
  return subjectOf(text.includes(':') ? text : jisPrefix + text);
}

async function addRow(overlay: IdentityOverlay, config: Config, phone: PhoneRow): Promise<DeviceSetup> {
  try {
    return await addDevice(overlay, config, phone);
  } catch (error) {
    // The rows before it are stored: running the corrected file again changes nothing for them but passwords.
    const reason = error instanceof Error ? error.message : 'failed';
    throw new CliError(
      'conflict',
      `line ${phone.line}, ${phone.name}: ${reason}`,
      'the lines before it were added',
      {
        cause: error,
      },
    );
  }
}

async function addDevice(
  overlay: IdentityOverlay,
  config: Config,
  phone: Pick<AddOptions, 'extension' | 'username' | 'password'> & { readonly name: string },
): Promise<DeviceSetup> {
  const name = deviceName(phone.name);
  const { extension } = phone;
  const username = phone.username ?? extension ?? sipUserOf(name);
  const password = phone.password ?? randomId(systemRandom, passwordBits);
  const { realm } = config.auth;
  const replaced = (await overlay.credential(username, realm)) !== undefined;
  const { identity } = await overlay.addDevice({
    name,
    credential: mintDigestCredential({ username, realm, password }),
    ...(extension !== undefined && { extension }),
  });
  const { fingerprint } = identity;
  return {
    name,
    fingerprint,
    extension,
    username,
    password,
    domain: config.domain,
    realm,
    server: serverOf(config),
    replaced,
  };
}

async function removeDevices(overlay: IdentityOverlay, who: string): Promise<readonly string[]> {
  if (await overlay.removeDevice(who)) return [who];
  const identity = await overlay.lookup(who);
  const credentials = identity ? await overlay.devicesOf(identity.fingerprint) : [];
  for (const { username } of credentials) await overlay.removeDevice(username);
  return credentials.map(({ username }) => username);
}
