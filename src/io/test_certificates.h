// Certificates made for one test run, through OpenSSL, in a folder of its own.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace mapigate::io {

class TestCertificates {
 public:
  TestCertificates() {
    char name[] = "/tmp/mapigate-io-XXXXXX";
    folder_ = mkdtemp(name);
    ca_key_ = EVP_EC_gen("P-256");
    ca_ = make("Test CA", ca_key_, nullptr, nullptr, "");
    write("ca.pem", ca_, nullptr);
    issue("server", "DNS:localhost,DNS:mail.example,IP:127.0.0.1");
    issue("other", "DNS:other.example");
  }
  ~TestCertificates() {
    X509_free(ca_);
    EVP_PKEY_free(ca_key_);
    std::filesystem::remove_all(folder_);
  }

  void issue(const std::string& name, const std::string& names) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = make(name.c_str(), key, ca_, ca_key_, names);
    write(name + ".pem", certificate, nullptr);
    write(name + ".key", nullptr, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  std::string path(const std::string& file) const { return folder_ + "/" + file; }

 private:
  X509* make(const char* common_name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, const std::string& names) {
    X509* made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 86400);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(issuer ? issuer : made));
    extend(made, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (!names.empty()) extend(made, NID_subject_alt_name, names.c_str());
    X509_sign(made, issuer_key ? issuer_key : key, EVP_sha256());
    return made;
  }
  static void extend(X509* certificate, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  void write(const std::string& file, X509* certificate, EVP_PKEY* key) {
    FILE* out = std::fopen(path(file).c_str(), "w");
    if (certificate) PEM_write_X509(out, certificate);
    if (key) PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
  }

  std::string folder_;
  X509* ca_ = nullptr;
  EVP_PKEY* ca_key_ = nullptr;
  long serial_ = 0;
};

}  // namespace mapigate::io
