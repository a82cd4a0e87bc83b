import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A network path to a TCP port that can go dead as a lost NAT mapping does: nothing arrives, nobody is told. */
export interface LossyPath {
  /** Where clients connect instead. */
  readonly port: number;
  goDead(): void;
  /** Closes what is open, to both ends' knowledge; new connections pass. */
  cut(): void;
  /** Where new connections lead from now on, instead of the port. */
  reroute(open: () => Socket): void;
  close(): void;
}

export async function lossyPath(targetPort: number): Promise<LossyPath> {
  const sockets = new Set<Socket>();
  let open = (): Socket => connect(targetPort, '127.0.0.1');
  const server = createServer((client) => {
    const target = open();
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    goDead: () => {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    reroute: (instead) => {
      open = instead;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
