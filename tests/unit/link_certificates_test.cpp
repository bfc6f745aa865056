// The cluster's own authority.
#include "cluster/link/certificates.hpp"
#include "messages/error.hpp"
#include "tests/support/process.hpp"

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>

using namespace troupe;
using namespace troupe::link;
using troupe::test::temp_dir;

namespace {

using certificate = std::shared_ptr<X509>;

certificate read(const std::string& path) {
  std::unique_ptr<BIO, decltype(&BIO_free)> in{BIO_new_file(path.c_str(), "r"), BIO_free};
  REQUIRE(in);
  return {PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), X509_free};
}

/// What OpenSSL has against it; 0: nothing.
int against(const certificate& one, const certificate& authority, int purpose) {
  std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store{X509_STORE_new(), X509_STORE_free};
  X509_STORE_add_cert(store.get(), authority.get());
  std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> check{X509_STORE_CTX_new(),
                                                                        X509_STORE_CTX_free};
  X509_STORE_CTX_init(check.get(), store.get(), one.get(), nullptr);
  X509_STORE_CTX_set_purpose(check.get(), purpose);
  X509_verify_cert(check.get());
  return X509_STORE_CTX_get_error(check.get());
}

ec code_of(const caf::error& err) { return err ? info(err).code : ec::none; }

mode_t mode_of(const std::string& path) {
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 0777;
}

struct authority {
  temp_dir dir;
  std::string folder = dir.path() + "/ca";
  authority() { REQUIRE(!make_authority({folder, 30, false})); }
  caf::error issue(const std::string& name, std::vector<std::string> hosts = {}, int days = 10) {
    return issue_certificate({folder, name, std::move(hosts), days, false});
  }
};

} // namespace

TEST_CASE("a node's certificate is good to serve and to dial, by its authority alone") {
  authority ca;
  REQUIRE(!ca.issue("node-1", {"10.0.0.5", "::1", "node-1.example"}));
  auto root = read(ca.folder + "/ca.crt");
  auto node = read(ca.folder + "/node-1.crt");
  CHECK(against(node, root, X509_PURPOSE_SSL_SERVER) == X509_V_OK);
  CHECK(against(node, root, X509_PURPOSE_SSL_CLIENT) == X509_V_OK);
  CHECK(X509_check_host(node.get(), "node-1.example", 0, 0, nullptr) == 1);
  CHECK(X509_check_ip_asc(node.get(), "10.0.0.5", 0) == 1);
  CHECK(X509_check_ip_asc(node.get(), "::1", 0) == 1);
  CHECK(X509_check_ip_asc(node.get(), "10.0.0.6", 0) == 0);
  CHECK(X509_get_version(node.get()) == X509_VERSION_3);
  CHECK(X509_check_ca(node.get()) == 0);
  CHECK(X509_check_ca(root.get()) == 1);
  CHECK(EVP_PKEY_get_bits(X509_get0_pubkey(node.get())) == 256);
  authority other;
  CHECK(against(node, read(other.folder + "/ca.crt"), X509_PURPOSE_SSL_SERVER) != X509_V_OK);
}

TEST_CASE("a certificate is valid for as many days as it was told, from now on") {
  authority ca;
  REQUIRE(!ca.issue("n", {}, 10));
  auto node = read(ca.folder + "/n.crt");
  int days = 0;
  int seconds = 0;
  REQUIRE(ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(node.get())) == 1);
  CHECK((days == 9 || (days == 10 && seconds == 0)));
  CHECK(X509_cmp_current_time(X509_get0_notBefore(node.get())) < 0);
  CHECK(code_of(ca.issue("m", {}, 0)) == ec::invalid_argument);
  CHECK(code_of(ca.issue("m", {}, 40'000)) == ec::invalid_argument);
}

TEST_CASE("keys are for their owner's eyes, and nothing is replaced unless it is forced") {
  authority ca;
  REQUIRE(!ca.issue("n"));
  CHECK(mode_of(ca.folder) == 0700);
  CHECK(mode_of(ca.folder + "/ca.key") == 0600);
  CHECK(mode_of(ca.folder + "/n.key") == 0600);
  auto before = read(ca.folder + "/n.crt");
  CHECK(code_of(make_authority({ca.folder, 30, false})) == ec::conflict);
  CHECK(code_of(ca.issue("n")) == ec::conflict);
  CHECK(X509_cmp(before.get(), read(ca.folder + "/n.crt").get()) == 0);
  CHECK(!issue_certificate({ca.folder, "n", {}, 10, true}));
  CHECK(X509_cmp(before.get(), read(ca.folder + "/n.crt").get()) != 0);
  CHECK(!make_authority({ca.folder, 30, true}));
}

TEST_CASE("names that are none, and an authority that is not there, are refused") {
  authority ca;
  for (const auto* name : {"", "ca", "../n", "a b", "a,DNS:b", "-a", "\n"})
    CHECK(code_of(ca.issue(name)) == ec::invalid_argument);
  CHECK(code_of(ca.issue("n", {"a,IP:1.2.3.4"})) == ec::invalid_argument);
  CHECK(!std::filesystem::exists(ca.folder + "/n.key"));
  CHECK(code_of(issue_certificate({ca.dir.path(), "n", {}, 10, false})) == ec::not_found);
}
