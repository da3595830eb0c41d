/** Starts the FRR daemons of one router of a lab, in a folder of their own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { type FrrDaemon, frrDaemons } from './frr.ts';
import { run } from './namespaces.ts';

/** `runIn` runs a program on the router. The daemons drop to their own user, who must own their files and sockets. */
export async function startFrr(
  runIn: (argv: readonly string[]) => Promise<string>,
  folder: string,
  files: Readonly<Record<FrrDaemon, string>>,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const daemon of frrDaemons) {
    const text = files[daemon].replaceAll('log file frr.log', `log file ${folder}/${daemon}.log`);
    writeFileSync(`${folder}/${daemon}.conf`, text);
  }
  // Each daemon saves to its own file, here: nothing of the lab may reach the machine's own configuration.
  writeFileSync(`${folder}/vtysh.conf`, 'no service integrated-vtysh-config\n');
  await run(['chown', '-R', 'frr:frrvty', folder]);
  for (const daemon of frrDaemons) {
    await runIn([
      ...[`/usr/lib/frr/${daemon}`, '-d', '-f', `${folder}/${daemon}.conf`],
      ...['-z', `${folder}/zserv.api`, '-i', `${folder}/${daemon}.pid`, '--vty_socket', folder],
      // Its BMP, which a policy may ask for, is a module.
      ...(daemon === 'bgpd' ? ['-M', 'bmp'] : []),
    ]);
  }
}
