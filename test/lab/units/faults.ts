/** What may happen to units, their NATS and the network between them; each gives the way to heal it. */
import type { UnitsStage } from './stage.ts';

export interface Injected {
  readonly what: string;
  readonly heal: () => Promise<void> | void;
}

export type UnitFault = (stage: UnitsStage, unit: string) => Promise<Injected>;

export const killed: UnitFault = async (stage, unit) => {
  stage.watch.fell(unit);
  await stage.end(unit, 'SIGKILL');
  return { what: `${unit} killed`, heal: () => stage.start(unit) };
};

export const restarted: UnitFault = async (stage, unit) => {
  stage.watch.fell(unit);
  await stage.end(unit, 'SIGTERM');
  stage.start(unit);
  return { what: `${unit} restarted`, heal: () => undefined };
};

export const stopped: UnitFault = async (stage, unit) => {
  stage.watch.fell(unit);
  stage.stand(unit);
  return { what: `${unit} stopped`, heal: () => stage.go(unit) };
};

export const parted: UnitFault = async (stage, unit) => {
  await stage.uplink(unit, 'down');
  return { what: `the site of ${unit} cut off`, heal: () => stage.uplink(unit, 'up') };
};

export const natsNodeLost: UnitFault = async (stage, unit) => {
  const site = stage.siteOf(unit);
  await stage.nats.kill(site);
  return { what: `the NATS node of ${unit} lost`, heal: () => stage.nats.start(site) };
};

/** Of the three nodes the two others are lost. */
export const quorumLost: UnitFault = async (stage, unit) => {
  const lost = stage.sites.filter((site) => site.unit !== unit);
  await Promise.all(lost.map((site) => stage.nats.kill(site)));
  return {
    what: `NATS but for the node of ${unit} lost`,
    heal: () => {
      for (const site of lost) stage.nats.start(site);
    },
  };
};

export const unitFaults: readonly UnitFault[] = [
  killed,
  restarted,
  stopped,
  parted,
  natsNodeLost,
  quorumLost,
];
