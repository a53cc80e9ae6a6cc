// graphql-ws against /graphql: a query, an error, and the order changes it is told to await.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
const [url, token, count, after] = process.argv.slice(2);
const closes = [];
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  lazy: false,
  retryAttempts: 0,
  connectionParams: token === '-' ? {} : { token },
  on: { closed: (event) => closes.push(event.code) },
  onNonLazyError: () => {},
});
const say = (value) => console.log(JSON.stringify(value));
const one = async (query, variables) => {
  for await (const result of client.iterate({ query, variables })) return result;
};
try {
  say({ query: await one('{ __typename }') });
  try {
    await one('{ nothing }');
  } catch (errors) {
    say({ error: errors[0].extensions.code });
  }
  const query = 'subscription Follow($after: Count) { orderChanges(after: $after) { index order { id status } } }';
  let left = Number(count);
  if (left > 0) {
    const changes = client.iterate({ query, variables: after ? { after: Number(after) } : {} });
    say({ following: true });
    for await (const result of changes) {
      say({ change: result });
      if (--left === 0) break;
    }
  }
} catch (error) {
  say({ failed: error.code ?? (Array.isArray(error) ? error[0].extensions.code : String(error)) });
}
await client.dispose();
say({ closes });
