import { parentPort, workerData } from 'node:worker_threads';
import type { RelayNotice, RelayOrder, RelaySettings } from './protocol.ts';
import { Relay } from './relay.ts';

/** The thread's side of `RelayThread`: orders in, notices out. What throws here ends the thread, and it is started anew. */
const port = parentPort;
if (port === null) throw new Error('the relay runs in a worker thread');
const relay = new Relay(workerData as RelaySettings, (notice: RelayNotice) => port.postMessage(notice));
port.on('message', (order: RelayOrder) => relay.carryOut(order));
