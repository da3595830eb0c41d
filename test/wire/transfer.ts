import { type Border, outsideAddress, outsideAddress6, until } from './border.ts';

export interface Transfer {
  readonly bytes: number;
  readonly retransmits: number;
}

/** One iperf3 transfer of `megabytes`; what the receiver got and what the sending kernel repeated. */
export async function transfer(
  border: Border,
  megabytes: number,
  ...options: readonly string[]
): Promise<Transfer> {
  const server = border.start('outside', 'iperf3', '-s', '-1', '-J');
  await until(
    'iperf3 listens',
    () => border.run('outside', 'ss', '-Hltn'),
    (text) => text.includes(':5201'),
  );
  const target = options.includes('-6') ? outsideAddress6 : outsideAddress;
  const text = await border.runAside(
    'inside',
    'iperf3',
    '-J',
    '-c',
    target,
    '-n',
    `${megabytes}M`,
    ...options,
  );
  server.kill('SIGKILL');
  const { end, error } = JSON.parse(text);
  if (error) throw new Error(error);
  return { bytes: end.sum_received.bytes, retransmits: end.sum_sent.retransmits };
}
