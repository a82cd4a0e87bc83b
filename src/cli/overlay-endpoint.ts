import type { Command } from 'commander';
import { type EndpointOptions, localDevice, localProver } from '../overlay/index.ts';
import { addCommand, type CommonOptions, collect, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { openIdentity, type PassphraseOptions, passphraseHelp } from './identity-source.ts';
import { mustFind, withOverlay } from './overlay-access.ts';
import type { Terminal } from './terminal.ts';

interface WhereOptions extends CommonOptions, PassphraseOptions {
  readonly identity?: string;
  readonly ip: string;
  readonly port: number;
  readonly behindNat?: boolean;
  readonly capability?: readonly string[];
  readonly lifetime?: number;
}

/** Registering, moving, proving and finding: the program interface of the overlay, as commands. */
export function registerEndpoints(group: Command, terminal: Terminal): void {
  addWhere(
    addCommand(group, {
      usage: 'register <name>',
      summary:
        'enrol a device and publish where it is; without --identity the gateway makes and keeps its key',
      example: 'overlay register jis:sensor-01 --ip 203.0.113.1 --port 44321 --behind-nat --capability mqtt',
    }),
  ).action(async (name: string, options: WhereOptions) => {
    const { output, config } = openContext(terminal, options);
    const own =
      options.identity === undefined ? undefined : await openIdentity(terminal, options.identity, options);
    const registration = await withOverlay(config(), (overlay) =>
      overlay.register(name, endpointOf(options), own && localDevice(own.token.bytes, own.key)),
    );
    const { id, identity, endpoint, sequence } = registration;
    output.document({ id, fingerprint: identity.fingerprint, endpoint, sequence: String(sequence) }, [
      ['name', id],
      ['fingerprint', identity.fingerprint],
      ['endpoint', `${endpoint} (record ${sequence})`],
    ]);
  });

  addWhere(
    addCommand(group, {
      usage: 'update <who>',
      summary: 'publish a new place for a registered device; its identity stays the same',
      example: 'overlay update jis:sensor-01 --ip 198.51.100.7 --port 61000',
    }),
  ).action(async (who: string, options: WhereOptions) => {
    const { output, config } = openContext(terminal, options);
    const own =
      options.identity === undefined ? undefined : await openIdentity(terminal, options.identity, options);
    const endpoint = endpointOf(options);
    const { name, sequence } = await withOverlay(config(), async (overlay) => {
      const identity = await mustFind(overlay, who);
      if (own) {
        const moved = await overlay.register(identity.name, endpoint, localDevice(own.token.bytes, own.key));
        return { name: identity.name, sequence: moved.sequence };
      }
      if (identity.custody === 'device')
        throw new CliError('refused', `${identity.name} holds its own key`, 'sign with it: --identity FILE');
      const moved = await overlay.updateEndpoint(await overlay.signEndpoint(identity.name, endpoint));
      return { name: identity.name, sequence: moved.sequence };
    });
    output.document({ name, endpoint: `${options.ip}:${options.port}`, sequence: String(sequence) }, [
      ['name', name],
      ['endpoint', `${options.ip}:${options.port} (record ${sequence})`],
    ]);
  });

  addCommand(group, {
    usage: 'verify <who>',
    summary: 'have an identity prove its key by a fresh challenge',
    example: 'overlay verify jis:sensor-01',
  })
    .option('--identity <file>', 'the key that answers, for an identity that holds its own')
    .option('--passphrase-file <file>', passphraseHelp)
    .action(
      async (who: string, options: CommonOptions & PassphraseOptions & { readonly identity?: string }) => {
        const { output, config } = openContext(terminal, options);
        const own =
          options.identity === undefined
            ? undefined
            : await openIdentity(terminal, options.identity, options);
        const result = await withOverlay(config(), async (overlay) => {
          const identity = await mustFind(overlay, who);
          if (own) overlay.attachProver(identity.fingerprint, localProver(own.key));
          return overlay.verify(who);
        });
        output.document(
          {
            verified: result.verified,
            trustScore: result.trustScore,
            fault: result.fault,
            ...result.identity,
          },
          [
            ['verified', result.verified ? 'yes' : `NO: ${result.fault ?? 'no proof'}`],
            ['name', result.identity?.name],
            ['trust before', result.trustScore.toFixed(2)],
          ],
        );
        if (!result.verified)
          throw new CliError(
            'refused',
            `${who} did not prove its key`,
            result.fault === 'unreachable'
              ? 'its device has to answer: name its file with --identity'
              : undefined,
          );
      },
    );

  addCommand(group, {
    usage: 'resolve <who>',
    summary: 'where an identity can be reached now',
    example: 'overlay resolve jis:sensor-01',
  }).action(async (who: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const { resolved, endpoint, behindNat, capabilities, identity } = await withOverlay(config(), (overlay) =>
      overlay.resolve(who),
    );
    if (!identity) throw new CliError('notFound', `nobody is known as ${who}`);
    const { name, fingerprint } = identity;
    output.document({ resolved, name, fingerprint, endpoint, behindNat, capabilities }, [
      ['name', name],
      ['fingerprint', fingerprint],
      ['endpoint', endpoint ?? 'not reachable now'],
      ['behind NAT', behindNat === undefined ? undefined : behindNat ? 'yes' : 'no'],
      ['capabilities', capabilities.join(' ') || undefined],
    ]);
    if (!resolved) throw new CliError('unavailable', `${name} is not reachable now`);
  });

  addCommand(group, {
    usage: 'find <capability>',
    summary: 'who is reachable now and has a capability',
    example: 'overlay find mqtt',
  }).action(async (capability: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const holders = await withOverlay(config(), (overlay) => overlay.findByCapability(capability));
    output.list(
      holders.map(({ id, identity, endpoint }) => ({
        name: id,
        fingerprint: identity.fingerprint,
        endpoint,
      })),
      [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'ENDPOINT', value: ({ endpoint }) => endpoint },
        { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
      ],
      `nobody who is reachable has ${capability}`,
    );
  });
}

function addWhere(command: Command): Command {
  return command
    .requiredOption('--ip <address>', 'address at which it can be reached')
    .requiredOption('--port <number>', 'port', portNumber)
    .option('--behind-nat', 'the address is that of a NAT')
    .option(
      '--capability <name>',
      'what it can do (repeatable; without it: what it could do before)',
      collect,
    )
    .option('--lifetime <seconds>', 'how long this is good for', positiveNumber)
    .option('--identity <file>', 'its own key signs')
    .option('--passphrase-file <file>', passphraseHelp);
}

function endpointOf(options: WhereOptions): EndpointOptions {
  return {
    ip: options.ip,
    port: options.port,
    behindNat: options.behindNat ?? false,
    ...(options.capability && { capabilities: options.capability }),
    ...(options.lifetime !== undefined && { lifetimeSeconds: options.lifetime }),
  };
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new CliError('usage', `--port takes a number from 1 to 65535, not "${text}"`);
  return port;
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new CliError('usage', `"${text}" is not a positive whole number`);
  return value;
}
