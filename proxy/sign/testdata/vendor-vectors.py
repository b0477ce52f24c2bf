"""Signs random inputs with the packages of the vendors; see vendor-vectors.mjs."""
import base64, hashlib, hmac, json, random, secrets
import jwt
from akamai.edgeauth import EdgeAuth
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric import rsa as crsa
from cwt import COSEKey, encode as cwt_encode
from jwcrypto import jwe, jwk, jws
from datetime import datetime, timezone

START = 1_700_000_000


def emit(**vector):
    print(json.dumps(vector))


def word():
    return secrets.token_hex(random.randint(1, 8))


def pem(public):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode()


for n in range(24):
    key = secrets.token_bytes(random.randint(8, 40))
    path = f"/{word()}/{word()}.ts"
    expires = START + random.randint(1, 10**6)
    salt = word() if n % 3 == 0 else None
    algorithm = ["sha1", "md5", "sha256"][n % 3]
    auth = EdgeAuth(
        key=key.hex(), algorithm=algorithm, salt=salt, escape_early=n % 2 == 0,
        ip="1.2.3.4" if n % 4 == 0 else None, session_id=word() if n % 2 else None,
        payload="a b=c&d" if n % 7 == 0 and n % 2 == 0 else None,
        start_time=START - 5 if n % 3 else None, end_time=expires,
    )
    token = auth.generate_acl_token(["/x/*", path[:3] + "*"]) if n % 2 else auth.generate_url_token(path)
    settings = {"hash": algorithm} | ({"salt": salt} if salt else {})
    emit(format="akamai", name=f"akamai {n}", settings=settings, expires=expires, upstream=path,
         keys=[{"id": "k", "algorithm": "hmac-sha256", "text": "hex:" + key.hex()}],
         url=f"https://h{path}?__token__={token}")

private = crsa.generate_private_key(public_exponent=65537, key_size=2048)
for n in range(8):
    signer = CloudFrontSigner("KPY", lambda m: private.sign(m, padding.PKCS1v15(), hashes.SHA1()))
    expires = START + random.randint(1, 10**6)
    url = f"https://d1.cloudfront.net/{word()}/{word()}.ts?b={word()}"
    when = datetime.fromtimestamp(expires, timezone.utc)
    policy = signer.build_policy(url, when, ip_address="1.2.3.4/32") if n % 2 else None
    signed = signer.generate_presigned_url(url, policy=policy) if policy else signer.generate_presigned_url(url, date_less_than=when)
    emit(format="cloudfront", name=f"botocore {n}", settings={}, expires=expires, url=signed,
         upstream=url.removeprefix("https://d1.cloudfront.net"),
         keys=[{"id": "KPY", "algorithm": "rsa-public", "text": pem(private.public_key())}])

p256 = ec.generate_private_key(ec.SECP256R1())
ed = ed25519.Ed25519PrivateKey.generate()
for n in range(16):
    expires = START + random.randint(1, 10**6)
    name, private_key, word_ = [
        ("RS256", private, "rsa-public"), ("ES256", p256, "ecdsa-p256-public"), ("EdDSA", ed, "ed25519-public"),
        ("HS512", secrets.token_bytes(64), "hmac-sha256"),
    ][n % 4]
    if isinstance(private_key, bytes):
        text = "hex:" + private_key.hex()
    elif word_ == "ed25519-public":
        raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        text = base64.b64encode(ed.public_key().public_bytes(*raw)).decode()
    else:
        text = pem(private_key.public_key())
    keys = [{"id": "kid-1", "algorithm": word_, "text": text}]
    path = f"/{word()}/{random.randint(0, 999)}.png"
    claims = {"exp": expires, "nbf": START - 5, "iss": "uCDN", "aud": ["x", "dCDN"]}
    headers = {"kid": "kid-1"}
    token = jwt.encode(claims, private_key, algorithm=name, headers=headers)
    emit(format="jwt", name=f"jwt {n}", settings={"issuer": "uCDN", "audience": "dCDN"}, expires=expires, keys=keys,
         url=f"https://h{path}?token={token}", upstream=path)
    uri = r"regex:https://h/[0-9a-f]+/\d+\.png"
    token = jwt.encode(claims | {"cdniuc": uri, "cdniv": 1}, private_key, algorithm=name, headers=headers)
    emit(format="cdni", name=f"cdni {n}", settings={"issuer": "uCDN"}, expires=expires, keys=keys,
         url=f"https://h{path}?URISigningPackage={token}", upstream=path)

for n in range(12):
    expires = START + random.randint(1, 10**6)
    path = f"/{word()}/{word()}.ts"
    claims = {1: "tidegate", 4: expires, 5: START - 5, 310: 1, 312: {3: {1: path[:4]}, 1: {0: "h"}}, 313: ["GET"]}
    if n % 3 == 0:
        raw = secrets.token_bytes(32)
        key, word_, text = COSEKey.from_symmetric_key(raw, alg="HS256", kid="c1"), "hmac-sha256", "hex:" + raw.hex()
    elif n % 3 == 1:
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key, word_, text = COSEKey.from_pem(p256.private_bytes(*form), kid="c1"), "ecdsa-p256-public", pem(p256.public_key())
    else:
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key, word_ = COSEKey.from_pem(ed.private_bytes(*form), kid="c1"), "ed25519-public"
        text = base64.b64encode(ed.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)).decode()
    token = cwt_encode(claims, key, tagged=True) if n % 2 else cwt_encode(claims, key)
    emit(format="cat", name=f"cwt {n}", settings={}, expires=expires, upstream=path,
         keys=[{"id": "c1", "algorithm": word_, "text": text}],
         url=f"https://h{path}?cat={base64.urlsafe_b64encode(token).decode().rstrip('=')}")


def b64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# Google has no package: this follows "Generate tokens" of Media CDN's documentation.
raw_public = b64(ed.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
for n in range(36):
    shared = secrets.token_bytes(random.randint(16, 40))
    path = f"/{word()}/{word()}.m3u8"
    expires = START + random.randint(1, 10**6)
    user = word()
    scope = [
        (f"URLPrefix={b64(('https://h' + path[:4]).encode())}",) * 2,
        ("FullPath", f"FullPath={path}"),
        (f"PathGlobs=/x/*,{path[:3]}*",) * 2,
        (f"acl=/x/*!{path[:-1]}?",) * 2,
    ][n % 4]
    both = [f"Starts={START - 5}"] if n % 2 else []
    both.append(f"Expires={expires}")
    both += [f"SessionID={word()}"] if n % 3 else []
    both += [f"Data={word()}"] if n % 5 else []
    shown, signed = [scope[0], *both], [scope[1], *both]
    if n % 3 == 0:
        shown.append("Headers=X-User")
        signed.append(f"Headers=X-User={user}")
    if n % 2 == 0:
        ranges = "IPRanges=" + b64(b"2001:db8::/32,1.2.3.0/24")
        shown.append(ranges)
        signed.append(ranges)
    message = "~".join(signed).encode()
    mark = [
        lambda: "Signature=" + b64(ed.sign(message)),
        lambda: "hmac=" + hmac.new(shared, message, hashlib.sha256).hexdigest(),
        lambda: "hmac=" + hmac.new(shared, message, hashlib.sha1).hexdigest(),
    ][n // 4 % 3]()
    token = "~".join([*shown, mark])
    keys = [{"id": "e", "algorithm": "ed25519-public", "text": raw_public}, {"id": "h", "algorithm": "hmac-sha256", "text": "hex:" + shared.hex()}]
    base = dict(format="media-cdn", name=f"media cdn {n}", settings={}, expires=expires, upstream=path, keys=keys)
    user_field = [["x-user", user]] if n % 3 == 0 else []
    if n % 7:
        emit(**base, fields=user_field, url=f"https://h{path}?edge-cache-token={token}")
    else:
        emit(**base, fields=[*user_field, ["cookie", f"edge-cache-token={token}"]], url=f"https://h{path}")

# JOSE of a second library: every algorithm, and the encrypted client address of RFC 9246.
sealing = jwk.JWK.generate(kty="oct", size=128, kid="seal-1")
pairs = {
    "PS256": ("RSA", {"size": 2048}, "rsa-public"), "PS512": ("RSA", {"size": 2048}, "rsa-public"),
    "RS384": ("RSA", {"size": 2048}, "rsa-public"), "ES256": ("EC", {"crv": "P-256"}, "ecdsa-p256-public"),
    "EdDSA": ("OKP", {"crv": "Ed25519"}, "ed25519-public"), "HS384": ("oct", {"size": 512}, "hmac-sha256"),
}
for algorithm, (kind, options, word_) in pairs.items():
    key = jwk.JWK.generate(kty=kind, kid="sig-1", **options)
    text = key.export_symmetric() if kind == "oct" else key.export_public()
    keys = [{"id": "sig-1", "algorithm": word_, "text": text}, {"id": "seal-1", "algorithm": "hmac-sha256", "text": sealing.export_symmetric()}]
    for client in ["[1.2.3.0/24]", "1.2.3.4", "1.2.3.4/32"]:
        expires = START + random.randint(1, 10**6)
        path = f"/{word()}/{random.randint(0, 999)}.png"
        sealed = jwe.JWE(client.encode(), json.dumps({"alg": "dir", "enc": "A128GCM", "kid": "seal-1"}))
        sealed.add_recipient(sealing)
        claims = {"iss": "uCDN", "exp": expires, "cdniv": 1, "cdniip": sealed.serialize(compact=True), "jti": word(),
                  "cdnicrit": "cdniip,cdniuc", "cdniuc": "hash:sha-256;" + b64(hashlib.sha256(f"https://h{path}".encode()).digest())}
        token = jws.JWS(json.dumps(claims))
        token.add_signature(key, None, json.dumps({"alg": algorithm, "kid": "sig-1"}))
        emit(format="cdni", name=f"jose {algorithm} {client}", settings={"issuer": "uCDN"}, expires=expires, keys=keys,
             url=f"https://h{path}?URISigningPackage={token.serialize(compact=True)}", upstream=path)

for n in range(8):
    expires = START + random.randint(1, 10**6)
    path = f"/{word()}/{word()}.ts"
    raw = secrets.token_bytes(64)
    claims = {4: expires, 5: START - 5, 310: 1, 45: [41, 42, 43, 312], 42: [{313: ["DELETE"]}],
              41: [{312: {3: {1: "/nowhere"}}}, {43: [{312: {3: {1: path[:5]}}}, {313: ["GET", "HEAD"]}]}]}
    key = COSEKey.from_symmetric_key(raw, alg=["HS256", "HS384", "HS512"][n % 3], kid="c1")
    token = cwt_encode(claims, key, tagged=n % 2 == 0)
    emit(format="cat", name=f"composite {n}", settings={}, expires=expires, upstream=path,
         keys=[{"id": "c1", "algorithm": "hmac-sha256", "text": "hex:" + raw.hex()}],
         url=f"https://h{path}?CAT={b64(token)}")
