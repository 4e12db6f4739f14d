"""Certificates for tests of TLS, made by openssl: good ones, and ones that are bad on purpose."""
import pathlib
import subprocess


class Certificates:
    """A folder with an authority and what it has signed; each is NAME.crt and NAME.key."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.make_authority("authority")

    def make_authority(self, name):
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                  "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", self.certificate(name))

    def key(self, name):
        return self.folder / f"{name}.key"

    def certificate(self, name):
        return self.folder / f"{name}.crt"

    def make(self, name, names="DNS:localhost,IP:127.0.0.1", days=2, is_self_signed=False,
             authority="authority"):
        """A certificate for `names`; with negative days one that has expired."""
        request = self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                  "-keyout", self.key(name), "-out", request)
        if is_self_signed:
            issuer = ["-signkey", self.key(name)]
        else:
            issuer = ["-CA", self.certificate(authority), "-CAkey", self.key(authority), "-CAcreateserial"]
        self._run("x509", "-req", "-in", request, *issuer, "-days", str(days), "-extfile", extensions,
                  "-out", self.certificate(name))

    @staticmethod
    def _run(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
