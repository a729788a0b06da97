// An OpenID provider with one client, whose callback is given as the argument. Its sign-in page takes any name, which
// becomes preferred_username. It prints its address.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "despatch", client_secret: "kettle-lantern-harbour", redirect_uris: [process.argv[2]] }],
    claims: { openid: ["sub"], profile: ["preferred_username", "name"], email: ["email"] },
    conformIdTokenClaims: false,
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: "subject-" + id, preferred_username: id + "@dept.example", name: "Person " + id }),
    }),
    cookies: { keys: ["not secret: a test"] },
    pkce: { required: () => true },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
