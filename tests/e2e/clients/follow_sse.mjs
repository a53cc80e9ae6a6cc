// graphql-sse, distinct connections, against /graphql: a query and the order changes.
import { createClient } from 'graphql-sse';
const [url, token, count, after] = process.argv.slice(2);
const client = createClient({
  url,
  retryAttempts: 0,
  headers: token === '-' ? {} : { authorization: `Bearer ${token}` },
});
const say = (value) => console.log(JSON.stringify(value));
try {
  for await (const result of client.iterate({ query: '{ __typename }' })) say({ query: result });
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
  say({ failed: error.response ? error.response.status : String(error) });
}
client.dispose();
