#include "cluster/link/certificates.hpp"

#include "messages/error.hpp"

#include <boost/asio/ip/address.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

namespace troupe::link {

namespace {

namespace fs = std::filesystem;

constexpr int days_max = 36'500;
constexpr std::size_t name_bytes_max = 64; // what a common name may have
constexpr int serial_bits = 159;           // positive, and 20 bytes at most
constexpr long past_s = 300;               // valid at once on nodes whose clock is behind

struct freer {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(X509_EXTENSION* x) const { X509_EXTENSION_free(x); }
  void operator()(EVP_PKEY* x) const { EVP_PKEY_free(x); }
  void operator()(BIO* x) const { BIO_free(x); }
  void operator()(BIGNUM* x) const { BN_free(x); }
};
template <class T>
using owned = std::unique_ptr<T, freer>;

caf::error of_openssl(const char* what) {
  char text[256] = "it said nothing";
  if (auto code = ERR_get_error())
    ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return make_error(ec::internal, fmt::format("OpenSSL could not {}: {}", what, text));
}

caf::error of_system(const std::string& what, int code) {
  return make_error(ec::internal,
                    fmt::format("{}: {}", what, std::generic_category().message(code)));
}

bool is_name(std::string_view text) {
  auto good = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-'
           || c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= name_bytes_max && text.front() != '.'
         && text.front() != '-' && std::all_of(text.begin(), text.end(), good);
}

caf::error check_days(int days) {
  if (days >= 1 && days <= days_max)
    return {};
  return make_error(ec::invalid_argument,
                    fmt::format("a certificate is valid for 1 to {} days", days_max));
}

/// Writes the file under another name first: a reader never sees half of it.
caf::error write_file(const std::string& path, std::string_view text, mode_t mode) {
  auto part = path + ".part";
  ::unlink(part.c_str());
  int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0)
    return of_system("cannot write " + part, errno);
  auto wrote = ::write(fd, text.data(), text.size());
  auto failed = wrote != static_cast<ssize_t>(text.size()) || ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed == 0 && wrote == static_cast<ssize_t>(text.size())
      && ::rename(part.c_str(), path.c_str()) == 0)
    return {};
  auto code = failed != 0 ? failed : errno;
  ::unlink(part.c_str());
  return of_system("cannot write " + path, code);
}

template <class Write>
std::string pem(Write write) {
  owned<BIO> out{BIO_new(BIO_s_mem())};
  if (!out || write(out.get()) != 1)
    return {};
  char* data = nullptr;
  auto size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

caf::error write_pair(const std::string& stem, X509* certificate, EVP_PKEY* key) {
  auto secret = pem([&](BIO* to) {
    return PEM_write_bio_PKCS8PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  auto text = pem([&](BIO* to) { return PEM_write_bio_X509(to, certificate); });
  if (secret.empty() || text.empty())
    return of_openssl("write a certificate");
  if (auto err = write_file(stem + ".key", secret, 0600))
    return err;
  return write_file(stem + ".crt", text, 0644);
}

template <class T, class Read>
owned<T> read_pem(const std::string& path, Read read) {
  owned<BIO> in{BIO_new_file(path.c_str(), "r")};
  return owned<T>{in ? read(in.get()) : nullptr};
}

bool extend(X509* certificate, X509* issuer, int which, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  owned<X509_EXTENSION> one{X509V3_EXT_conf_nid(nullptr, &context, which, value.c_str())};
  return one && X509_add_ext(certificate, one.get(), -1) == 1;
}

/// A certificate for `key`, not signed yet.
owned<X509> draft(const std::string& name, const char* unit, EVP_PKEY* key, int days) {
  owned<X509> made{X509_new()};
  owned<BIGNUM> serial{BN_new()};
  if (!made || !serial || BN_rand(serial.get(), serial_bits, BN_RAND_TOP_ANY, 0) != 1)
    return nullptr;
  auto* subject = X509_get_subject_name(made.get());
  auto add = [&](const char* field, const char* text) {
    return X509_NAME_add_entry_by_txt(subject, field, MBSTRING_ASC,
                                      reinterpret_cast<const unsigned char*>(text), -1, -1, 0)
           == 1;
  };
  bool good = X509_set_version(made.get(), X509_VERSION_3) == 1
              && BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(made.get())) != nullptr
              && X509_gmtime_adj(X509_getm_notBefore(made.get()), -past_s) != nullptr
              && X509_time_adj_ex(X509_getm_notAfter(made.get()), days, 0, nullptr) != nullptr
              && X509_set_pubkey(made.get(), key) == 1 && add("O", "Troupe") && add("OU", unit)
              && add("CN", name.c_str());
  return good ? std::move(made) : nullptr;
}

/// As a line of OpenSSL's configuration: names were checked, so that nothing in them means more.
caf::error alternative_names(const certificate_options& options, std::string& out) {
  out = "DNS:" + options.name;
  for (const auto& host : options.hosts) {
    boost::system::error_code no_address;
    auto address = boost::asio::ip::make_address(host, no_address);
    if (!no_address)
      out += ",IP:" + address.to_string();
    else if (is_name(host))
      out += ",DNS:" + host;
    else
      return make_error(ec::invalid_argument, "\"" + host
                                                  + "\" is neither an IP address nor a host's "
                                                    "name of letters, digits, - and .");
  }
  return {};
}

} // namespace

caf::error make_authority(const ca_options& options) {
  if (auto err = check_days(options.days))
    return err;
  auto certificate = options.folder + "/" + ca_certificate_file;
  auto key_file = options.folder + "/" + ca_key_file;
  if (!options.force && (fs::exists(certificate) || fs::exists(key_file)))
    return make_error(ec::conflict,
                      fmt::format("{} has an authority already; a new one makes every certificate "
                                  "of it worthless (--force does it all the same)",
                                  options.folder));
  std::error_code failed;
  if (fs::create_directories(options.folder, failed))
    fs::permissions(options.folder, fs::perms::owner_all, failed);
  if (failed)
    return of_system("cannot make " + options.folder, failed.value());
  owned<EVP_PKEY> key{EVP_EC_gen("P-256")};
  if (!key)
    return of_openssl("make a key");
  auto made = draft("Troupe cluster authority", "authority", key.get(), options.days);
  auto* x = made.get();
  // The path's length 0: it signs nodes, never another authority.
  bool good = made && X509_set_issuer_name(x, X509_get_subject_name(x)) == 1
              && extend(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0")
              && extend(x, x, NID_key_usage, "critical,keyCertSign,cRLSign")
              && extend(x, x, NID_subject_key_identifier, "hash")
              && X509_sign(x, key.get(), EVP_sha256()) != 0;
  if (!good)
    return of_openssl("make the authority's certificate");
  return write_pair(options.folder + "/ca", x, key.get());
}

caf::error issue_certificate(const certificate_options& options) {
  if (auto err = check_days(options.days))
    return err;
  if (!is_name(options.name) || options.name == "ca")
    return make_error(ec::invalid_argument,
                      fmt::format("a node's name has 1 to {} letters, digits, -, _ and ., and "
                                  "is not \"ca\"",
                                  name_bytes_max));
  std::string names;
  if (auto err = alternative_names(options, names))
    return err;
  auto stem = options.folder + "/" + options.name;
  if (!options.force && (fs::exists(stem + ".crt") || fs::exists(stem + ".key")))
    return make_error(ec::conflict, stem + ".crt is there already (--force replaces it)");
  auto issuer = read_pem<X509>(options.folder + "/" + ca_certificate_file, [](BIO* in) {
    return PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
  });
  auto signer = read_pem<EVP_PKEY>(options.folder + "/" + ca_key_file, [](BIO* in) {
    return PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  });
  ERR_clear_error();
  if (!issuer || !signer)
    return make_error(ec::not_found,
                      fmt::format("{} has no authority that can be read: make it with `troupe "
                                  "cluster ca init --dir {}`",
                                  options.folder, options.folder));
  if (X509_check_private_key(issuer.get(), signer.get()) != 1)
    return of_openssl("use the authority: its key is of another certificate");
  owned<EVP_PKEY> key{EVP_EC_gen("P-256")};
  if (!key)
    return of_openssl("make a key");
  auto made = draft(options.name, "node", key.get(), options.days);
  auto* x = made.get();
  auto* by = issuer.get();
  bool good = made && X509_set_issuer_name(x, X509_get_subject_name(by)) == 1
              && extend(x, by, NID_basic_constraints, "critical,CA:FALSE")
              && extend(x, by, NID_key_usage, "critical,digitalSignature")
              && extend(x, by, NID_ext_key_usage, "serverAuth,clientAuth")
              && extend(x, by, NID_subject_key_identifier, "hash")
              && extend(x, by, NID_authority_key_identifier, "keyid:always")
              && extend(x, by, NID_subject_alt_name, names)
              && X509_sign(x, signer.get(), EVP_sha256()) != 0;
  if (!good)
    return of_openssl("make the certificate");
  return write_pair(stem, x, key.get());
}

} // namespace troupe::link
