// Certificates for the tests: made when they are needed, in files, good or bad on purpose.
#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

namespace skyloom::net {

struct Identity {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;
  std::string certificate_file;
  std::string key_file;
};

struct CertificateOptions {
  std::string names = "DNS:good.test";  // subjectAltName
  long valid_from = -3600;              // seconds from now
  long valid_to = 3600;
  const Identity* issuer = nullptr;  // null: signed by itself
  bool is_rsa = false;               // else of an elliptic curve
  std::string name = {};             // CN; empty: "test " and a number
};

// A folder of its own, gone with it.
class CertificateFolder {
 public:
  CertificateFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "tls_test_XXXXXX").string();
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    path_ = path;
  }
  ~CertificateFolder() { std::filesystem::remove_all(path_); }
  CertificateFolder(const CertificateFolder&) = delete;
  CertificateFolder& operator=(const CertificateFolder&) = delete;

  Identity make(const CertificateOptions& options = {}) {
    const std::string stem = path_ + "/" + std::to_string(++count_);
    Identity made;
    made.key.reset(options.is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), EVP_PKEY_free);
    made.certificate.reset(X509_new(), X509_free);
    X509* const x509 = made.certificate.get();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), count_);
    X509_gmtime_adj(X509_getm_notBefore(x509), options.valid_from);
    X509_gmtime_adj(X509_getm_notAfter(x509), options.valid_to);
    const std::string common_name =
        options.name.empty() ? "test " + std::to_string(count_) : options.name;
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                               0);
    const Identity& issuer = options.issuer != nullptr ? *options.issuer : made;
    X509_set_issuer_name(x509, X509_get_subject_name(issuer.certificate.get()));
    X509_set_pubkey(x509, made.key.get());
    add(x509, NID_basic_constraints, "critical,CA:TRUE");
    add(x509, NID_subject_alt_name, options.names);
    X509_sign(x509, issuer.key.get(), EVP_sha256());
    made.certificate_file = stem + ".crt";
    made.key_file = stem + ".key";
    write(made.certificate_file, [&](FILE* file) { PEM_write_X509(file, x509); });
    write(made.key_file, [&](FILE* file) {
      PEM_write_PrivateKey(file, made.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return made;
  }

 private:
  static void add(X509* x509, int kind, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    ASSERT_NE(extension, nullptr) << value;
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
  }
  template <class Act>
  static void write(const std::string& path, Act act) {
    FILE* const file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    act(file);
    std::fclose(file);
  }

  std::string path_;
  long count_ = 0;
};

}  // namespace skyloom::net
