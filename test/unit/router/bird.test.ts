import t from 'tap';
import { readRoutes } from '../../../src/router/bird/dialect.ts';

/** As BIRD 2.0.12 prints `show route protocol NAME all`. */
const said = `BIRD 2.0.12 ready.
Table master4:
198.18.3.0/24        unicast [headgate_blocks4 12:00:00.000] * (250)
	via 10.0.0.10 on inside
	Type: static univ
	BGP.large_community: (64512, 0, 1) (64512, 1, 2)
198.18.4.0/24        unicast [headgate_blocks4 12:00:00.000] (250)
	via 10.0.0.10 on inside
	Type: static univ
`;

t.test(
  'routes are read with what is indented below them, and whether they are the best',
  async (t) => {
    const routes = readRoutes(said);
    t.same([...routes.keys()], ['198.18.3.0/24', '198.18.4.0/24']);
    t.match(routes.get('198.18.3.0/24'), { isBest: true, text: '(64512, 1, 2)' });
    t.match(routes.get('198.18.4.0/24'), { isBest: false, text: 'via 10.0.0.10 ' });
    t.notMatch(routes.get('198.18.4.0/24')?.text, 'large_community');
  },
);

t.test('no route, or words of an error, are no routes', async (t) => {
  t.equal(readRoutes('BIRD 2.0.12 ready.\n').size, 0);
  t.equal(readRoutes('BIRD 2.0.12 ready.\nsyntax error, unexpected CF_SYM_UNDEFINED\n').size, 0);
});
