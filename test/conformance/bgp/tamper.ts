/** Connections on which something goes wrong on the way from the router to us. */
import { Duplex } from 'node:stream';
import { attributeType, headerLength, messageType } from '../../../src/core/wire/bgp/codes.ts';
import { MessageSplitter } from '../../../src/core/wire/bgp/framing.ts';
import { splitUpdate } from '../../../src/core/wire/bgp/update.ts';

/** Passes on what `change` makes of each piece that comes in. */
function through(socket: Duplex, change: (chunk: Uint8Array) => Uint8Array): Duplex {
  const passed = new Duplex({
    read: () => {},
    write: (chunk: Uint8Array, _, done) => {
      socket.write(chunk);
      done();
    },
    final: (done) => {
      socket.end();
      done();
    },
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Uint8Array) => passed.push(Buffer.from(change(chunk))));
  socket.on('error', (error) => passed.destroy(error));
  socket.on('close', () => passed.destroy());
  return passed;
}

/** Half of the first UPDATE with routes arrives, then the connection is reset towards both ends. */
export function cutInMessage(socket: Duplex, onCut: () => void): Duplex {
  const splitter = new MessageSplitter();
  let isCut = false;
  const passed = through(socket, (chunk) => {
    if (isCut) return new Uint8Array(0);
    splitter.push(chunk.slice());
    const whole: Uint8Array[] = [];
    for (let next = splitter.next(); next?.ok; next = splitter.next()) {
      const { type, bytes } = next.value;
      const hasRoutes = type === messageType.update && bytes.length > headerLength + 12;
      whole.push(hasRoutes ? bytes.subarray(0, bytes.length >> 1) : bytes);
      if (!hasRoutes) continue;
      isCut = true;
      onCut();
      // What was pushed is read before the end: half a message is on our side when it comes.
      setImmediate(() => {
        resetOf(socket);
        passed.destroy(new Error('read ECONNRESET'));
      });
      break;
    }
    return Buffer.concat(whole);
  });
  return passed;
}

/** TCP's RST instead of FIN, where the socket is one of Node's own. */
function resetOf(socket: Duplex): void {
  if ('resetAndDestroy' in socket && typeof socket.resetAndDestroy === 'function')
    socket.resetAndDestroy();
  else socket.destroy();
}

/** While `isBroken`, every ORIGIN has the value 9. */
export function breakOrigins(socket: Duplex, isBroken: () => boolean): Duplex {
  const splitter = new MessageSplitter(65_535);
  return through(socket, (chunk) => {
    splitter.push(chunk.slice());
    const whole: Uint8Array[] = [];
    for (let next = splitter.next(); next?.ok; next = splitter.next()) {
      const { type, bytes } = next.value;
      if (type === messageType.update && isBroken()) breakOrigin(bytes);
      whole.push(bytes);
    }
    return Buffer.concat(whole);
  });
}

/** Attributes here are short: none has the extended length before ORIGIN but MP_REACH_NLRI. */
function breakOrigin(message: Uint8Array): void {
  const fields = splitUpdate(message);
  if (!fields.ok) return;
  for (let at = fields.value.attributesStart; at < fields.value.attributesEnd; ) {
    const isExtended = ((message[at] ?? 0) & 0x10) !== 0;
    const valueAt = at + (isExtended ? 4 : 3);
    if (message[at + 1] === attributeType.origin) message[valueAt] = 9;
    const high = isExtended ? (message[at + 2] ?? 0) << 8 : 0;
    at = valueAt + (high | (message[valueAt - 1] ?? 0));
  }
}
