import { readFile } from 'node:fs/promises';

/**
 * Datagrams that the kernel dropped because the socket's buffer was full, as /proc/net/udp counts them
 * since the socket was opened. Sums all sockets of this network namespace bound to `port`.
 */
export async function readSocketDrops(port: number): Promise<number> {
  let drops = 0;
  for (const table of ['/proc/self/net/udp', '/proc/self/net/udp6']) {
    // Absent where a kernel has no IPv6.
    const text = await readFile(table, 'utf8').catch(() => '');
    drops += sumDrops(text, port);
  }
  return drops;
}

/** The last column of the lines whose local port matches. */
export function sumDrops(text: string, port: number): number {
  let drops = 0;
  for (const line of text.split('\n').slice(1)) {
    const columns = line.trim().split(/\s+/);
    const localPort = Number.parseInt(columns[1]?.split(':')[1] ?? '', 16);
    if (localPort === port) drops += Number(columns.at(-1));
  }
  return drops;
}
