/** What is shown of several units, and what of them a person should know. Pure. */
import type { ClusterView, UnitView } from '../../control/index.ts';
import { fingerprintOf } from './cluster-settings.ts';
import type { Joint } from './joint.ts';

export function clusterView(joint: Joint): ClusterView {
  const { cluster } = joint;
  const { live, frozen, gone } = cluster.membership();
  return {
    unit: cluster.unit,
    leader: cluster.leader() ?? null,
    standing: cluster.standing(),
    is_connected: cluster.isConnected(),
    ...(cluster.standing() === 'holding' ? { hold_left_ms: Math.round(cluster.holdLeftMs()) } : {}),
    live,
    frozen,
    gone,
    plan: cluster.plan() ?? null,
    refused: joint.refused,
    ...(joint.pair ? { outbound_by: joint.pair.decider ?? null } : {}),
  };
}

/** A line for each unit; of others what they reported, which only the leader has. */
export function unitViews(joint: Joint): readonly UnitView[] {
  const { cluster, settings } = joint;
  const { live, frozen } = cluster.membership();
  const reports = joint.summaries();
  const own = fingerprintOf(settings);
  return joint.units.map((name): UnitView => {
    const told = reports.get(name);
    const portion = settings.cluster?.units.find((unit) => unit.name === name)?.portion;
    return {
      name,
      state: live.includes(name) ? 'live' : frozen.includes(name) ? 'frozen' : 'gone',
      is_leader: cluster.leader() === name,
      ...(portion ? { portion } : {}),
      ...(told
        ? {
            report_age_ms: Math.round(told.ageMs),
            has_same_settings: told.settings === own,
            wires: told.summary.wires,
            routers: told.summary.routers,
            refused_blocks: told.summary.refused,
            outbound_bytes: told.summary.outbound,
          }
        : {}),
    };
  });
}

export function clusterComplaints(joint: Joint): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const { cluster, settings } = joint;
  if (!cluster.isConnected())
    found.set('nats', 'NATS is lost: the plan in force is kept, and nothing is decided here');
  const left = `${Math.ceil(cluster.holdLeftMs() / 1000)}s`;
  if (cluster.standing() === 'holding')
    found.set('led', `no leader is heard: the last plan is kept for another ${left}`);
  if (cluster.standing() === 'released')
    found.set('led', 'no leader is heard: this unit has returned to plain BGP');
  const { frozen, gone } = cluster.membership();
  for (const unit of frozen)
    found.set(`unit ${unit}`, `unit ${unit} is silent: what it announces is frozen`);
  for (const unit of gone)
    found.set(`unit ${unit}`, `unit ${unit} is gone: its links are left out`);
  const own = fingerprintOf(settings);
  for (const [unit, { settings: theirs }] of joint.summaries())
    if (theirs !== own)
      found.set(
        `settings ${unit}`,
        `unit ${unit} has other settings for the network than ${cluster.unit}`,
      );
  const stored = joint.stored?.settings;
  if (!joint.leads && stored !== undefined && stored !== own)
    found.set('settings', 'the leader has other settings for the network than this unit');
  for (const what of cluster.refusals()) found.set(`refused ${what}`, what);
  const [first] = joint.refused;
  if (first)
    found.set(
      'refused',
      `${joint.refused.length} blocks of the leader's plan are refused here: ${first.block} (${first.reason.replace('_', ' ')})`,
    );
  return found;
}
