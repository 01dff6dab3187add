// A real OAuth 2.0 authorization server for the demonstration, on loopback.
//
//	node authorization.mjs KEY CERTIFICATE
//
// The first line of standard input is JSON: the clients, each with its secret.
// Prints the port; ends with its standard input.

import { createServer } from "node:https";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const [key, cert] = process.argv.slice(2).map((file) => readFileSync(file));
const server = createServer({ key, cert });
const input = createInterface({ input: process.stdin });

function provider(port, clients) {
	return new Provider(`https://127.0.0.1:${port}`, {
		clients: Object.entries(clients).map(([id, secret]) => ({
			client_id: id,
			client_secret: secret,
			grant_types: ["client_credentials"],
			redirect_uris: [],
			response_types: [],
		})),
		features: {
			clientCredentials: { enabled: true },
			introspection: { enabled: true },
			revocation: { enabled: true },
			devInteractions: { enabled: false },
		},
		scopes: ["weather"],
		ttl: { ClientCredentials: 600 },
	});
}

input.on("close", () => process.exit(0));
input.once("line", (line) => {
	server.listen(0, "127.0.0.1", () => {
		const { port } = server.address();
		server.on("request", provider(port, JSON.parse(line)).callback());
		console.log(port);
	});
});
