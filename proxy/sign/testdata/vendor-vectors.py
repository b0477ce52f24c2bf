"""Signs random inputs with the packages of the vendors; see vendor-vectors.mjs."""
import base64, json, random, secrets
import jwt, rsa
from akamai.edgeauth import EdgeAuth
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric import rsa as crsa
from cwt import COSEKey, encode as cwt_encode
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
    algorithm = "sha1" if n % 5 == 0 else "sha256"
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
