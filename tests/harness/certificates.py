"""A private CA and the server certificate of the tests."""
import pathlib
import subprocess

_REQUEST = """[req]
distinguished_name = name
prompt = no
[name]
CN = {common_name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


class Certificates:
    """ca.pem, cert.pem and key.pem (EC P-256) in `folder`; made once, kept if already there."""

    def __init__(self, folder, domain="example.test"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        self.ca, self.certificate, self.key = (self.folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
        self.names = ["DNS:localhost", "IP:127.0.0.1", f"DNS:{domain}", f"DNS:autodiscover.{domain}",
                      f"DNS:mail.{domain}"]
        if not all(path.exists() for path in (self.ca, self.certificate, self.key)):
            self._make(self.ca, self.folder / "ca.key", "mapigate test CA", "ca")
            self.make_server_certificate(self.certificate, self.key, self.names)
        self.key.chmod(0o644)  # a throwaway key; servers read it after dropping privileges

    def make_server_certificate(self, certificate, key, names, days=3650):
        """Another certificate of the same CA, for instance an expired one (days=-1 is refused by openssl: use
        the clock) or one for other names."""
        self._make(certificate, key, "localhost", "server", names, days)

    def _make(self, certificate, key, common_name, section, names=(), days=3650):
        config = self.folder / f"{section}.cnf"
        config.write_text(_REQUEST.format(common_name=common_name, names=", ".join(names) or "DNS:localhost"))
        request = self.folder / f"{section}.csr"
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        self._openssl("req", "-new", "-key", key, "-out", request, "-config", config)
        signer = ["-signkey", key] if section == "ca" else ["-CA", self.ca, "-CAkey", self.folder / "ca.key",
                                                            "-CAcreateserial"]
        self._openssl("x509", "-req", "-in", request, "-out", certificate, "-days", days, "-sha256", "-extfile",
                      config, "-extensions", section, *signer)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
