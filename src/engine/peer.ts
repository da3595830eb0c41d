import { loadNative } from './native.ts';

interface Native {
  peerOf(fd: number): Peer | undefined;
}

/** The process at the other end of a Unix socket when it connected, as the kernel vouches (SO_PEERCRED). */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
}

/** Undefined where the descriptor is no connected Unix socket. */
export function peerOf(fd: number): Peer | undefined {
  return loadNative<Native>().peerOf(fd);
}
