// One UDP socket that a test holds from outside a namespace: `datagrams ADDRESS PORT` says its address, then reads
// lines `ADDRESS PORT TEXT` and sends them, and prints what comes as `ADDRESS PORT TEXT`. With `--echo` it answers
// each datagram with the address it came from.
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';

const [address = '0.0.0.0', port = '0', mode] = process.argv.slice(2);
const socket = createSocket('udp4');
socket.on('message', (bytes, { address: from, port: fromPort }) => {
  if (mode === '--echo') socket.send(`${from} ${fromPort}`, fromPort, from);
  console.log(`${from} ${fromPort} ${bytes.toString()}`);
});
socket.bind(Number(port), address, () => console.log(`${address} ${socket.address().port} open`));
createInterface({ input: process.stdin }).on('line', (line) => {
  const [to = '', toPort = '', ...text] = line.split(' ');
  socket.send(text.join(' '), Number(toPort), to);
});
