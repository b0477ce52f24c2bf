// Signs random inputs with the packages of the vendors and writes one JSON object a line.
//
// `ci/signers` installs them and runs the tests on fresh inputs; vendor-vectors.jsonl is what one run gave.
import { createRequire } from "node:module";
import { generateKeyPairSync, randomBytes, randomInt } from "node:crypto";
const require = createRequire(process.cwd() + "/");
const { getSignedUrl, getSignedCookies } = require("@aws-sdk/cloudfront-signer");
const { CAT } = require("@eyevinn/cat");
const EdgeAuth = require("akamai-edgeauth");

const START = 1_700_000_000;
const emit = (vector) => console.log(JSON.stringify(vector));
const date = (seconds) => new Date(seconds * 1000).toISOString();
const word = () => randomBytes(randomInt(1, 8)).toString("hex");
const path = () => "/" + [word(), word(), `${word()}.m3u8`].join("/");
const public_ = (pair) => pair.publicKey.export({ type: "spki", format: "pem" });
const private_ = (pair) => pair.privateKey.export({ type: "pkcs8", format: "pem" });

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
for (let n = 0; n < 24; n++) {
  const [pair, algorithm_] = n % 2 ? [rsa, "rsa-public"] : [ec, "ecdsa-p256-public"];
  const keys = [{ id: "K2JCJMDEHXQW5F", algorithm: algorithm_, text: public_(pair) }];
  const algorithm = n % 4 < 2 ? undefined : "SHA256";
  const expires = START + randomInt(1, 1e6);
  const query = n % 3 ? "" : `?a=${word()}`;
  const target = path() + query;
  const url = `https://d111.cloudfront.net${target}`;
  const common = { url, keyPairId: keys[0].id, privateKey: private_(pair), algorithm };
  const range = { dateLessThan: date(expires), dateGreaterThan: date(START - 10), ipAddress: "1.2.3.0/24" };
  const policy = n % 5 === 0 ? range : { dateLessThan: date(expires) };
  const base = { format: "cloudfront", settings: {}, keys, expires, upstream: target };
  emit({ ...base, name: `cloudfront url ${n}`, url: getSignedUrl({ ...common, ...policy }) });
  const cookies = Object.entries(getSignedCookies({ ...common, ...policy }));
  const cookie = cookies.map(([name, value]) => `${name}=${value}`).join("; ");
  emit({ ...base, name: `cloudfront cookie ${n}`, url, fields: [["cookie", cookie]] });
}
const wild = JSON.stringify({
  Statement: [{ Resource: "https://d111.cloudfront.net/show/*", Condition: { DateLessThan: { "AWS:EpochTime": START + 60 } } }],
});
const signed = getSignedUrl({ url: "https://d111.cloudfront.net/show/1/a.ts", policy: wild, keyPairId: "K1", privateKey: private_(rsa) });
emit({ format: "cloudfront", settings: {}, name: "cloudfront wildcard", url: signed, expires: START + 60, upstream: "/show/1/a.ts", keys: [{ id: "K1", algorithm: "rsa-public", text: public_(rsa) }] });

for (let n = 0; n < 16; n++) {
  const secret = randomBytes(32);
  const kid = `k-${word()}`;
  const target = path();
  const file = target.split("/").pop();
  const expires = START + randomInt(1, 1e6);
  const claims = {
    iss: "tidegate", exp: expires, nbf: START - 5, cti: randomBytes(8).toString("hex"), catm: ["GET"], catnip: ["1.2.3.0/24", "2001:db8::/32", 64500],
    catu: [
      { scheme: { "exact-match": "https" }, path: { "prefix-match": target.slice(0, 3) } },
      { host: { "suffix-match": ".example" }, extension: { "exact-match": ".m3u8" } },
      { filename: { "exact-match": file }, stem: { "exact-match": file.split(".")[0] } },
      { "parent-path": { "exact-match": target.slice(0, target.lastIndexOf("/")) }, path: { "contains-match": "/" } },
    ][n % 4],
  };
  const cat = new CAT({ keys: { [kid]: secret }, expectCwtTag: n % 2 === 0 });
  const token = await cat.generateFromJson(claims, { type: "mac", alg: "HS256", kid });
  const keys = [{ id: kid, algorithm: "hmac-sha256", text: "hex:" + secret.toString("hex") }];
  const url = `https://media.example${target}?cat=${token}`;
  emit({ format: "cat", settings: { issuer: "tidegate" }, name: `cat ${n}`, keys, url, expires, upstream: target });
}

const pick = (...choices) => choices[randomInt(choices.length)];
for (let n = 0; n < 40; n++) {
  const key = randomBytes(randomInt(8, 40)).toString("hex");
  const expires = START + randomInt(1, 1e6);
  const algorithm = pick("sha256", "sha1", "md5");
  const salt = pick(undefined, word());
  const [fieldDelimiter, aclDelimiter] = n % 4 ? ["~", "!"] : ["|", ","];
  // An ACL cannot hold the delimiters themselves.
  const target = n % 3 ? pick(path(), `/${word()}/~(b)*'!.${word()}`) : path();
  const auth = new EdgeAuth({
    key, algorithm, salt, fieldDelimiter, aclDelimiter, escapeEarly: n % 2 === 0, endTime: expires,
    startTime: pick(undefined, START - 5), ip: pick(undefined, "1.2.3.4"), sessionId: pick(undefined, word()),
    payload: n % 2 === 0 ? pick(undefined, "a b=c&d") : undefined,
  });
  const acl = pick("/*", ["/x/*", target.slice(0, 3) + "*"], target.replace(/\.\w+$/, ".*"));
  const token = n % 3 ? auth.generateURLToken(target) : auth.generateACLToken(acl);
  const settings = { hash: algorithm, field_delimiter: fieldDelimiter, acl_delimiter: aclDelimiter };
  if (salt) settings.salt = salt;
  const keys = [{ id: "k", algorithm: "hmac-sha256", text: "hex:" + key }];
  const base = { format: "akamai", name: `akamai node ${n}`, settings, keys, expires, upstream: target };
  if (n % 5) emit({ ...base, url: `https://h${target}?__token__=${token}` });
  else emit({ ...base, url: `https://h${target}`, fields: [["cookie", `__token__=${token}`]] });
}
