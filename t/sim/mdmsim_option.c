
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The command line.  An option that the subcommand has no use for is an
 * error, so that a typo does not measure something else.
 */


#include "mdmsim_option.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>


typedef enum {
    SIM_T_FLAG = 0,        /* int, set to 1 */
    SIM_T_UNFLAG,          /* int, set to 0 */
    SIM_T_U32,
    SIM_T_U64,
    SIM_T_SECONDS,         /* uint64_t, nanoseconds */
    SIM_T_PERCENT,         /* double */
    SIM_T_RATE,            /* double */
    SIM_T_STRING,
    SIM_T_ONOFF,           /* int */
    SIM_T_CPU,
    SIM_T_URL,
    SIM_T_SEND,
    SIM_T_PID,
    SIM_T_KINDS,
    SIM_T_CHANNELS,
    SIM_T_TLS,
    SIM_T_MODE,
    SIM_T_FORMAT,
    SIM_T_TOPIC,
    SIM_T_THEN,
    SIM_T_FAULT,
    SIM_T_DEVICE           /* uint32_t, the number + 1 */
} sim_type_e;


typedef struct {
    const char               *name;
    unsigned                  commands;
    sim_type_e                type;
    size_t                    offset;
    uint64_t                  max;
} sim_spec_t;


static void sim_usage(FILE *f);
static const sim_spec_t *sim_spec(const char *name, size_t len);
static void sim_option_list(sim_option_t *opt, const sim_spec_t *spec,
    const char *value);
static int sim_option_word(sim_option_t *opt, sim_type_e type,
    const char *value);
static void sim_option_set(sim_option_t *opt, const sim_spec_t *spec,
    const char *value);
static uint64_t sim_number(const char *name, const char *value,
    uint64_t max);
static double sim_real(const char *name, const char *value, double max);
static void sim_option_default(sim_option_t *opt);


#define sim_at(field)  offsetof(sim_option_t, field)


static const struct {
    const char               *name;
    sim_cmd_e                 command;
} sim_commands[] = {
    { "ca", SIM_CMD_CA },
    { "cert", SIM_CMD_CERT },
    { "ids", SIM_CMD_IDS },
    { "message", SIM_CMD_MESSAGE },
    { "enroll", SIM_CMD_ENROLL },
    { "poll", SIM_CMD_POLL },
    { "session", SIM_CMD_SESSION },
    { "run", SIM_CMD_RUN },
    { "checkout", SIM_CMD_CHECKOUT },
    { "bench", SIM_CMD_BENCH },
    { "torture", SIM_CMD_TORTURE },
    { "ddm", SIM_CMD_DDM },
    { "renew", SIM_CMD_RENEW }
};


static const sim_spec_t  sim_specs[] = {

    /* the fleet */

    { "count", SIM_NET|SIM_CMD_IDS, SIM_T_U32, sim_at(fleet.count),
      SIM_MAX_DEVICES },
    { "first", SIM_NET|SIM_CMD_IDS, SIM_T_U32, sim_at(fleet.first),
      SIM_MAX_DEVICES },
    { "seed", SIM_FLEET, SIM_T_U64, sim_at(fleet.seed), UINT64_MAX },
    { "kinds", SIM_FLEET, SIM_T_KINDS, 0, 0 },
    { "users", SIM_FLEET, SIM_T_U32, sim_at(fleet.users), SIM_MAX_USERS },
    { "topic", SIM_TALK, SIM_T_TOPIC, 0, 0 },
    { "channels", SIM_WORK|SIM_CMD_CHECKOUT|SIM_CMD_IDS, SIM_T_CHANNELS, 0,
      0 },

    /* who they are */

    { "dir", SIM_DIRS, SIM_T_STRING, sim_at(dir), 3000 },
    { "ca-cert", SIM_KEYS, SIM_T_STRING, sim_at(ca_cert), 3000 },
    { "ca-key", SIM_KEYS, SIM_T_STRING, sim_at(ca_key), 3000 },
    { "identities", SIM_KEYS, SIM_T_STRING, sim_at(identities), 3000 },
    { "previous", SIM_KEYS, SIM_T_FLAG, sim_at(previous), 0 },
    { "shared-key", SIM_KEYS, SIM_T_FLAG, sim_at(shared_key), 0 },
    { "server-name", SIM_CMD_CA, SIM_T_STRING, sim_at(server_name), 253 },
    { "force", SIM_CMD_CA|SIM_CMD_CERT, SIM_T_FLAG, sim_at(force), 0 },
    { "device", SIM_CMD_CERT|SIM_CMD_MESSAGE, SIM_T_U32, sim_at(device),
      SIM_MAX_DEVICES - 1 },
    { "out", SIM_CMD_CERT, SIM_T_STRING, sim_at(out), 3000 },

    /* one message */

    { "user", SIM_CMD_MESSAGE, SIM_T_U32, sim_at(user), SIM_MAX_USERS },
    { "what", SIM_CMD_MESSAGE, SIM_T_STRING, sim_at(what), 64 },
    { "command", SIM_CMD_MESSAGE, SIM_T_STRING, sim_at(command), 3000 },
    { "signature", SIM_CMD_MESSAGE, SIM_T_STRING, sim_at(signature), 3000 },
    { "endpoint", SIM_CMD_MESSAGE, SIM_T_STRING, sim_at(endpoint), 2000 },
    { "data", SIM_CMD_MESSAGE, SIM_T_STRING, sim_at(data), 3000 },

    /* what Apple gave to a device */

    { "apple-cert", SIM_CMD_MESSAGE|SIM_CMD_ENROLL, SIM_T_STRING,
      sim_at(apple_cert), 3000 },
    { "apple-key", SIM_CMD_MESSAGE|SIM_CMD_ENROLL, SIM_T_STRING,
      sim_at(apple_key), 3000 },
    { "apple-chain", SIM_CMD_MESSAGE|SIM_CMD_ENROLL, SIM_T_STRING,
      sim_at(apple_chain), 3000 },
    { "can-update", SIM_CMD_MESSAGE|SIM_CMD_ENROLL, SIM_T_FLAG,
      sim_at(can_update), 0 },

    /* the way to the server */

    { "url", SIM_NET, SIM_T_URL, 0, 0 },
    { "checkin-url", SIM_LOAD, SIM_T_STRING, sim_at(checkin_url), 1000 },
    { "connections", SIM_NET, SIM_T_U32, sim_at(connections), 1000000 },
    { "keepalive", SIM_LOAD, SIM_T_UNFLAG, sim_at(new_connection), 0 },
    { "new-connection", SIM_LOAD, SIM_T_FLAG, sim_at(new_connection), 0 },
    { "reopen-every", SIM_CMD_POLL|SIM_RUN, SIM_T_U32,
      sim_at(reopen_every), UINT32_MAX },
    { "resume", SIM_NET, SIM_T_ONOFF, sim_at(resume), 0 },
    { "tls", SIM_NET, SIM_T_TLS, 0, 0 },
    { "server-ca", SIM_NET, SIM_T_STRING, sim_at(server_ca), 3000 },
    { "allow-remote", SIM_NET, SIM_T_FLAG, sim_at(allow_remote), 0 },
    { "no-retry", SIM_NET, SIM_T_FLAG, sim_at(no_retry), 0 },
    { "timeout", SIM_NET, SIM_T_SECONDS, sim_at(timeout), 3600 },
    { "max-body", SIM_NET, SIM_T_U64, sim_at(max_body), 1 << 30 },
    { "header-cert", SIM_NET, SIM_T_STRING, sim_at(header_cert), 128 },
    { "header-format", SIM_NET, SIM_T_FORMAT, 0, 0 },
    { "sign", SIM_NET, SIM_T_FLAG, sim_at(sign), 0 },
    { "sign-noattr", SIM_TALK, SIM_T_FLAG, sim_at(sign_noattr), 0 },
    { "sign-sha1", SIM_TALK, SIM_T_FLAG, sim_at(sign_sha1), 0 },
    { "binary", SIM_TALK, SIM_T_FLAG, sim_at(binary), 0 },
    { "chunked", SIM_NET, SIM_T_FLAG, sim_at(chunked), 0 },

    /* SCEP */

    { "way", SIM_CMD_ENROLL, SIM_T_STRING, sim_at(way), 16 },
    { "link", SIM_CMD_ENROLL, SIM_T_STRING, sim_at(link), 1000 },
    { "link-file", SIM_CMD_ENROLL, SIM_T_STRING, sim_at(link_file), 3000 },
    { "profile-ca", SIM_CMD_ENROLL, SIM_T_STRING, sim_at(profile_ca), 3000 },
    { "scep", SIM_ISSUE, SIM_T_STRING, sim_at(scep.url), 1000 },
    { "scep-name", SIM_ISSUE, SIM_T_STRING, sim_at(scep.name), 250 },
    { "scep-challenge", SIM_ISSUE, SIM_T_STRING, sim_at(scep.challenge),
      255 },
    { "scep-challenge-file", SIM_ISSUE, SIM_T_STRING,
      sim_at(scep.challenge_file), 3000 },
    { "scep-fingerprint", SIM_ISSUE, SIM_T_STRING, sim_at(scep.fingerprint),
      64 },
    { "scep-subject", SIM_ISSUE, SIM_T_STRING, sim_at(scep.subject), 1000 },
    { "scep-digest", SIM_ISSUE, SIM_T_STRING, sim_at(scep.digest), 16 },
    { "scep-cipher", SIM_ISSUE, SIM_T_STRING, sim_at(scep.cipher), 16 },
    { "scep-bits", SIM_ISSUE, SIM_T_U32, sim_at(scep.bits), 4096 },
    { "scep-usage", SIM_ISSUE, SIM_T_U32, sim_at(scep.usage), 5 },
    { "scep-retries", SIM_ISSUE, SIM_T_U32, sim_at(scep.retries), 1000000 },
    { "scep-retry-delay", SIM_ISSUE, SIM_T_SECONDS, sim_at(scep.delay),
      3600 },
    { "scep-legacy", SIM_ISSUE, SIM_T_FLAG, sim_at(scep.legacy), 0 },
    { "scep-get", SIM_ISSUE, SIM_T_FLAG, sim_at(scep.get), 0 },
    { "scep-renewal", SIM_CMD_RENEW, SIM_T_FLAG, sim_at(scep.renewal), 0 },
    { "scep-same-key", SIM_CMD_RENEW, SIM_T_FLAG, sim_at(scep.same_key), 0 },
    { "scep-keep", SIM_CMD_ENROLL, SIM_T_FLAG, sim_at(scep.keep), 0 },
    { "scep-prepare", SIM_ISSUE, SIM_T_FLAG, sim_at(scep.prepare), 0 },
    { "scep-key-of", SIM_ISSUE, SIM_T_DEVICE, sim_at(scep.key_of),
      SIM_MAX_DEVICES - 1 },
    { "scep-fault", SIM_ISSUE, SIM_T_FAULT, 0, 0 },
    { "then", SIM_CMD_RENEW, SIM_T_THEN, 0, 0 },

    /* what they do */

    { "notnow", SIM_WORK|SIM_CMD_TORTURE, SIM_T_PERCENT, sim_at(notnow), 0 },
    { "error", SIM_WORK|SIM_CMD_TORTURE, SIM_T_PERCENT, sim_at(error), 0 },
    { "format-error", SIM_WORK|SIM_CMD_TORTURE, SIM_T_PERCENT,
      sim_at(format_error), 0 },
    { "abort", SIM_LOAD, SIM_T_PERCENT, sim_at(abort), 0 },
    { "result-size", SIM_WORK|SIM_CMD_MESSAGE|SIM_CMD_BENCH|SIM_CMD_TORTURE,
      SIM_T_U64, sim_at(result_size), 64 << 20 },
    { "inventory-size", SIM_CMD_MESSAGE|SIM_CMD_BENCH, SIM_T_U64,
      sim_at(inventory_size), 64 << 20 },
    { "unlock-token", SIM_ISSUE|SIM_RUN|SIM_CMD_MESSAGE, SIM_T_U32,
      sim_at(unlock_token), 1 << 20 },
    { "bootstrap-token", SIM_CMD_ENROLL|SIM_RUN, SIM_T_FLAG,
      sim_at(bootstrap), 0 },
    { "awaiting", SIM_CMD_ENROLL|SIM_RUN, SIM_T_FLAG,
      sim_at(awaiting), 0 },
    { "enroll", SIM_RUN, SIM_T_FLAG, sim_at(enroll), 0 },
    { "wake", SIM_RUN|SIM_CMD_TORTURE, SIM_T_STRING, sim_at(wake), 107 },
    { "max-commands", SIM_WORK, SIM_T_U32, sim_at(max_commands),
      UINT32_MAX },

    /* how much of it */

    { "requests", SIM_WORK, SIM_T_U64, sim_at(requests), UINT64_MAX },
    { "duration", SIM_NET, SIM_T_SECONDS, sim_at(duration), 1000000 },
    { "rate", SIM_LOAD, SIM_T_RATE, sim_at(rate), 0 },
    { "interval", SIM_RUN, SIM_T_SECONDS, sim_at(interval), 1000000 },
    { "retries", SIM_LOAD, SIM_T_U32, sim_at(retries), UINT32_MAX },
    { "max-errors", SIM_NET, SIM_T_U64, sim_at(max_errors), UINT64_MAX },

    /* bench */

    { "send", SIM_CMD_BENCH, SIM_T_SEND, 0, 0 },
    { "mode", SIM_CMD_BENCH, SIM_T_MODE, 0, 0 },
    { "slice", SIM_CMD_BENCH, SIM_T_SECONDS, sim_at(slice), 3600 },
    { "worker-pid", SIM_CMD_BENCH, SIM_T_PID, 0, 0 },
    { "redis-pid", SIM_CMD_BENCH, SIM_T_U32, sim_at(redis_pid),
      INT32_MAX },
    { "baseline-puts", SIM_CMD_BENCH, SIM_T_U32, sim_at(baseline_puts),
      100 },
    { "cpu", SIM_NET, SIM_T_CPU, sim_at(cpu), 1023 },

    /* torture */

    { "api-url", SIM_CMD_TORTURE|SIM_CMD_DDM, SIM_T_STRING, sim_at(api_url),
      1000 },
    { "api-connections", SIM_CMD_TORTURE, SIM_T_U32,
      sim_at(api_connections), 10000 },
    { "churn", SIM_CMD_TORTURE, SIM_T_U32, sim_at(churn), SIM_MAX_DEVICES },
    { "group", SIM_CMD_TORTURE, SIM_T_U32, sim_at(group), 10000 },
    { "depth", SIM_CMD_TORTURE, SIM_T_U32, sim_at(depth), 1000 },
    { "asleep", SIM_CMD_TORTURE, SIM_T_U32, sim_at(asleep), 10000 },
    { "commands", SIM_CMD_TORTURE, SIM_T_U64, sim_at(commands), UINT64_MAX },

    /* declarative management */

    { "ddm", SIM_CMD_POLL|SIM_CMD_SESSION|SIM_CMD_RUN, SIM_T_FLAG,
      sim_at(ddm), 0 },
    { "check", SIM_CMD_DDM, SIM_T_FLAG, sim_at(check), 0 },

    /* what it prints */

    { "ledger", SIM_LOAD|SIM_CMD_TORTURE, SIM_T_STRING, sim_at(ledger), 3000 },
    { "json", SIM_NET, SIM_T_FLAG, sim_at(json), 0 },
    { "quiet", SIM_NET, SIM_T_FLAG, sim_at(quiet), 0 }
};


static void
sim_usage(FILE *f)
{
    fputs("usage: mdmsim SUBCOMMAND [--option value] ...\n"
          "\n"
          "  ca        makes a CA and a server certificate\n"
          "  cert      writes the certificate and key of a device\n"
          "  ids       prints enrollment ids\n"
          "  message   prints a message of a device\n"
          "  enroll    enrolls devices\n"
          "  poll      devices ask for commands and answer them\n"
          "  session   the same, a new TLS connection each time\n"
          "  run       a fleet that polls until it is told to stop\n"
          "  checkout  devices leave\n"
          "  bench     what a request costs a worker, compared\n"
          "  torture   devices and administrators that keep a ledger\n"
          "  ddm       a fleet with declarative management\n"
          "  renew     devices get new certificates by SCEP\n"
          "\n"
          "docs/simulator.md describes the options.\n", f);
}


static const sim_spec_t *
sim_spec(const char *name, size_t len)
{
    size_t  i;

    for (i = 0; i < sizeof(sim_specs) / sizeof(sim_specs[0]); i++) {
        if (strlen(sim_specs[i].name) == len
            && memcmp(sim_specs[i].name, name, len) == 0)
        {
            return &sim_specs[i];
        }
    }

    return NULL;
}


void
sim_option_parse(sim_option_t *opt, int argc, char **argv)
{
    int                 i;
    size_t              n;
    const char         *arg, *value;
    const sim_spec_t   *spec;

    if (argc < 2) {
        sim_usage(stderr);
        exit(2);
    }

    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0
        || strcmp(argv[1], "-h") == 0)
    {
        sim_usage(stdout);
        exit(0);
    }

    for (n = 0; n < sizeof(sim_commands) / sizeof(sim_commands[0]); n++) {
        if (strcmp(argv[1], sim_commands[n].name) == 0) {
            opt->cmd = sim_commands[n].command;
        }
    }

    if (opt->cmd == 0) {
        sim_die("unknown subcommand \"%s\"", argv[1]);
    }

    sim_option_default(opt);

    for (i = 2; i < argc; i++) {
        arg = argv[i];

        if (arg[0] != '-' || arg[1] != '-') {
            sim_die("unexpected \"%s\"", arg);
        }

        arg += 2;
        n = strcspn(arg, "=");
        spec = sim_spec(arg, n);

        if (spec == NULL) {
            sim_die("unknown option \"--%.*s\"", (int) n, arg);
        }

        if ((spec->commands & opt->cmd) == 0) {
            sim_die("\"--%s\" is not an option of \"%s\"", spec->name,
                    argv[1]);
        }

        value = "";

        if (spec->type == SIM_T_FLAG || spec->type == SIM_T_UNFLAG) {
            if (arg[n] == '=') {
                sim_die("\"--%s\" takes no value", spec->name);
            }

        } else if (arg[n] == '=') {
            value = arg + n + 1;

        } else if (i + 1 < argc) {
            value = argv[++i];

        } else {
            sim_die("\"--%s\" needs a value", spec->name);
        }

        sim_option_set(opt, spec, value);
    }

    sim_option_check(opt);
}


static uint64_t
sim_number(const char *name, const char *value, uint64_t max)
{
    char                *end;
    unsigned long long   n;

    errno = 0;
    n = strtoull(value, &end, 10);

    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0
        || n > max)
    {
        sim_die("\"--%s %s\": a number from 0 to %llu is needed", name, value,
                (unsigned long long) max);
    }

    return n;
}


static double
sim_real(const char *name, const char *value, double max)
{
    char    *end;
    double   n;

    errno = 0;
    n = strtod(value, &end);

    if (!(isdigit((unsigned char) value[0]) || value[0] == '.')
        || *end != '\0' || errno != 0 || !(n >= 0 && n <= max))
    {
        sim_die("\"--%s %s\": a number from 0 to %g is needed", name, value,
                max);
    }

    return n;
}


static void
sim_option_set(sim_option_t *opt, const sim_spec_t *spec, const char *value)
{
    char  *at;

    at = (char *) opt + spec->offset;

    switch (spec->type) {

    case SIM_T_FLAG:
    case SIM_T_UNFLAG:
        *(int *) (void *) at = spec->type == SIM_T_FLAG;
        return;

    case SIM_T_U32:
        *(uint32_t *) (void *) at = (uint32_t) sim_number(spec->name, value,
                                                          spec->max);
        return;

    case SIM_T_DEVICE:
        *(uint32_t *) (void *) at =
            (uint32_t) sim_number(spec->name, value, spec->max) + 1;
        return;

    case SIM_T_CPU:
        *(int *) (void *) at = (int) sim_number(spec->name, value,
                                                spec->max);
        return;

    case SIM_T_U64:
        *(uint64_t *) (void *) at = sim_number(spec->name, value, spec->max);
        return;

    case SIM_T_SECONDS:
        *(uint64_t *) (void *) at =
            (uint64_t) (sim_real(spec->name, value, (double) spec->max)
                        * 1e9);
        return;

    case SIM_T_PERCENT:
        *(double *) (void *) at = sim_real(spec->name, value, 100);
        return;

    case SIM_T_RATE:
        *(double *) (void *) at = sim_real(spec->name, value, 1e7);
        return;

    case SIM_T_STRING:
        if (value[0] == '\0' || strlen(value) > spec->max) {
            sim_die("\"--%s\": 1 to %llu bytes are needed", spec->name,
                    (unsigned long long) spec->max);
        }

        *(const char **) (void *) at = value;
        return;

    case SIM_T_ONOFF:
        *(int *) (void *) at = strcmp(value, "on") == 0;

        if (strcmp(value, "on") == 0 || strcmp(value, "off") == 0) {
            return;
        }

        break;

    case SIM_T_URL:
    case SIM_T_SEND:
    case SIM_T_PID:
        sim_option_list(opt, spec, value);
        return;

    case SIM_T_KINDS:
        if (sim_kinds_parse(&opt->fleet, value) == SIM_OK) {
            return;
        }

        break;

    case SIM_T_CHANNELS:
    case SIM_T_TLS:
    case SIM_T_MODE:
    case SIM_T_FORMAT:
    case SIM_T_THEN:
    case SIM_T_FAULT:
        if (sim_option_word(opt, spec->type, value) == SIM_OK) {
            return;
        }

        break;

    case SIM_T_TOPIC:
        if (value[0] == '\0' || strlen(value) >= sizeof(opt->fleet.topic)) {
            sim_die("\"--topic\": 1 to %zu bytes are needed",
                    sizeof(opt->fleet.topic) - 1);
        }

        strcpy(opt->fleet.topic, value);
        return;
    }

    sim_die("bad value \"%s\" of \"--%s\"", value, spec->name);
}


/* what may be given several times */

static void
sim_option_list(sim_option_t *opt, const sim_spec_t *spec, const char *value)
{
    switch (spec->type) {

    case SIM_T_URL:
        if (opt->nurls == SIM_MAX_URLS) {
            sim_die("at most %d times \"--url\"", SIM_MAX_URLS);
        }

        opt->urls[opt->nurls++] = value;
        return;

    case SIM_T_SEND:
        if (opt->nurls == 0) {
            sim_die("\"--send\" comes after its \"--url\"");
        }

        opt->sends[opt->nurls - 1] = value;
        return;

    case SIM_T_PID:
        if (opt->nworkers == SIM_MAX_URLS) {
            sim_die("at most %d times \"--worker-pid\"", SIM_MAX_URLS);
        }

        opt->worker_pids[opt->nworkers++] =
            (uint32_t) sim_number(spec->name, value, INT32_MAX);
        return;

    default:
        return;
    }
}


/* one word of a few; SIM_ERROR: another one */

static int
sim_option_word(sim_option_t *opt, sim_type_e type, const char *value)
{
    size_t  i;

    static const char  *thens[] = { "token", "authenticate", "poll" };
    static const char  *faults[] = {
        "none", "transaction", "nonce", "type", "poll", "envelope", "csr",
        "signature", "signers", "attributes", "challenge", "signer"
    };

    switch (type) {

    case SIM_T_CHANNELS:
        if (strcmp(value, "device") == 0) {
            opt->channels = SIM_CHANNEL_DEVICE;
            return SIM_OK;
        }

        if (strcmp(value, "user") == 0) {
            opt->channels = SIM_CHANNEL_USER;
            return SIM_OK;
        }

        if (strcmp(value, "all") == 0) {
            opt->channels = SIM_CHANNEL_DEVICE|SIM_CHANNEL_USER;
            return SIM_OK;
        }

        break;

    case SIM_T_TLS:
        if (strcmp(value, "1.2") == 0 || strcmp(value, "1.3") == 0) {
            opt->tls12 = value[2] == '2';
            opt->tls13 = value[2] == '3';
            return SIM_OK;
        }

        break;

    case SIM_T_MODE:
        if (strcmp(value, "poll") == 0 || strcmp(value, "session") == 0) {
            opt->session = value[0] == 's';
            return SIM_OK;
        }

        break;

    case SIM_T_FORMAT:
        if (strcmp(value, "pem") == 0 || strcmp(value, "rfc9440") == 0) {
            opt->rfc9440 = value[0] == 'r';
            return SIM_OK;
        }

        break;

    case SIM_T_THEN:
        for (i = 0; i < sizeof(thens) / sizeof(thens[0]); i++) {
            if (strcmp(value, thens[i]) == 0) {
                opt->then = (sim_then_e) i;
                return SIM_OK;
            }
        }

        break;

    case SIM_T_FAULT:
        for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
            if (strcmp(value, faults[i]) == 0) {
                opt->scep.fault = (sim_fault_e) i;
                return SIM_OK;
            }
        }

        break;

    default:
        break;
    }

    return SIM_ERROR;
}


static void
sim_option_default(sim_option_t *opt)
{
    opt->fleet.seed = 1;
    opt->fleet.count = 100;
    opt->connections = 8;
    opt->timeout = 30 * SIM_SEC;
    opt->max_body = 16 << 20;
    opt->max_commands = 1000;
    opt->unlock_token = 2048;
    opt->slice = SIM_SEC / 5;
    opt->baseline_puts = 3;
    opt->cpu = -1;
    opt->scep.bits = 2048;
    opt->scep.usage = 5;
    opt->scep.retries = 3;
    opt->scep.delay = 10 * SIM_SEC;

    if (opt->cmd == SIM_CMD_TORTURE) {
        opt->timeout = 10 * SIM_SEC;
        opt->api_connections = 4;
        opt->churn = 10;
        opt->group = 100;
        opt->depth = 30;
        opt->asleep = 3;
    }

    (void) sim_kinds_parse(&opt->fleet, "iphone:50,ipad:20,mac:25,tv:5");
}
