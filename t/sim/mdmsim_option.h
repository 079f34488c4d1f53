
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The command line.
 */


#ifndef _MDMSIM_OPTION_H_INCLUDED_
#define _MDMSIM_OPTION_H_INCLUDED_


#include "mdmsim_device.h"


#define SIM_MAX_URLS         8


typedef enum {
    SIM_CMD_CA      = 0x001,
    SIM_CMD_CERT    = 0x002,
    SIM_CMD_IDS     = 0x004,
    SIM_CMD_MESSAGE = 0x008,
    SIM_CMD_ENROLL  = 0x010,
    SIM_CMD_POLL    = 0x020,
    SIM_CMD_SESSION = 0x040,
    SIM_CMD_RUN     = 0x080,
    SIM_CMD_CHECKOUT = 0x100,
    SIM_CMD_BENCH   = 0x200,
    SIM_CMD_TORTURE = 0x400,
    SIM_CMD_DDM     = 0x800,
    SIM_CMD_RENEW   = 0x1000
} sim_cmd_e;


#define SIM_LOAD   (SIM_CMD_ENROLL|SIM_CMD_POLL|SIM_CMD_SESSION|SIM_CMD_RUN   \
                    |SIM_CMD_CHECKOUT|SIM_CMD_DDM|SIM_CMD_RENEW)
#define SIM_ISSUE  (SIM_CMD_ENROLL|SIM_CMD_RENEW)
#define SIM_NET    (SIM_LOAD|SIM_CMD_BENCH|SIM_CMD_TORTURE)
#define SIM_TALK   (SIM_NET|SIM_CMD_MESSAGE)
#define SIM_FLEET  (SIM_TALK|SIM_CMD_CERT|SIM_CMD_IDS)
#define SIM_RUN    (SIM_CMD_RUN|SIM_CMD_DDM)
#define SIM_WORK   (SIM_CMD_POLL|SIM_CMD_SESSION|SIM_RUN)
#define SIM_DIRS   (SIM_CMD_CA|SIM_CMD_CERT|SIM_TALK)
#define SIM_KEYS   (SIM_CMD_CERT|SIM_TALK)

#define SIM_CHANNEL_DEVICE   1
#define SIM_CHANNEL_USER     2


/* what a device does with a certificate that was renewed */

typedef enum {
    SIM_THEN_TOKEN = 0,    /* TokenUpdate, as most do */
    SIM_THEN_AUTHENTICATE,
    SIM_THEN_POLL
} sim_then_e;


/* what a request is made wrong by */

typedef enum {
    SIM_FAULT_NONE = 0,
    SIM_FAULT_TRANSACTION, /* no transactionID */
    SIM_FAULT_NONCE,       /* no senderNonce */
    SIM_FAULT_TYPE,        /* a messageType that there is not */
    SIM_FAULT_POLL,        /* CertPoll of a transaction that never was */
    SIM_FAULT_ENVELOPE,    /* the last byte */
    SIM_FAULT_CSR,         /* its signature */
    SIM_FAULT_SIGNATURE,
    SIM_FAULT_SIGNERS,     /* two */
    SIM_FAULT_NOATTR,      /* no signed attributes */
    SIM_FAULT_CHALLENGE,   /* one character */
    SIM_FAULT_SIGNER       /* another key than the CSR's: that is allowed */
} sim_fault_e;


/* of SCEP; what is NULL follows from the server's capabilities */

typedef struct {
    const char               *url;
    const char               *name;        /* message= of GetCACert */
    const char               *challenge;
    const char               *challenge_file;
    const char              **challenges;  /* a device, of its profile */
    const char               *fingerprint;
    const char               *subject;
    const char               *digest;
    const char               *cipher;
    uint32_t                  bits;
    uint32_t                  usage;       /* 1: sign, 4: encrypt, 5: both */
    uint32_t                  retries;     /* while PENDING */
    uint64_t                  delay;       /* nanoseconds */
    int                       legacy;      /* DES and SHA-1 */
    int                       get;
    int                       renewal;     /* RenewalReq instead of PKCSReq */
    int                       same_key;
    int                       keep;        /* who has a certificate */
    int                       prepare;     /* requests before the clock runs */
    uint32_t                  key_of;      /* device + 1 */
    sim_fault_e               fault;
    char                      dir[3072];   /* identities, unless given */
} sim_scep_option_t;


typedef struct {
    sim_cmd_e                 cmd;
    sim_fleet_t               fleet;

    const char               *dir;
    const char               *ca_cert;
    const char               *ca_key;
    const char               *identities;  /* directory, see mdmsim_store.c */
    int                       previous;    /* the certificate before */
    const char               *server_ca;
    const char               *server_name;
    const char               *out;
    const char               *what;        /* of "message" */
    const char               *command;     /* file, of "message" */
    const char               *signature;   /* file, of "message" */
    const char               *endpoint;    /* of "message" */
    const char               *data;        /* file, of "message" */
    const char               *apple_cert;  /* files */
    const char               *apple_key;
    const char               *apple_chain;
    const char               *ledger;
    const char               *header_cert;

    const char               *way;         /* of "enroll": to a profile */
    const char               *link;
    const char               *link_file;
    const char               *profile_ca;  /* file: who signs it */

    const char               *urls[SIM_MAX_URLS];
    const char               *sends[SIM_MAX_URLS];   /* of bench */
    uint32_t                  nurls;
    const char               *checkin_url;

    uint32_t                  device;
    uint32_t                  user;
    int                       channels;
    int                       shared_key;
    int                       rfc9440;
    int                       sign;
    int                       sign_noattr;
    int                       sign_sha1;
    int                       can_update;  /* MachineInfo says so */
    int                       force;

    uint32_t                  connections;
    uint32_t                  reopen_every;
    int                       new_connection;
    int                       resume;
    int                       tls12;
    int                       tls13;
    int                       allow_remote;
    int                       no_retry;

    uint64_t                  requests;
    uint64_t                  max_errors;
    uint64_t                  timeout;     /* nanoseconds */
    uint64_t                  duration;
    uint64_t                  interval;
    uint64_t                  slice;
    double                    rate;
    uint32_t                  retries;
    uint32_t                  max_commands;
    uint64_t                  max_body;

    double                    notnow;      /* percent */
    double                    error;
    double                    format_error;
    double                    abort;
    int                       binary;
    int                       chunked;
    int                       enroll;
    int                       bootstrap;
    int                       awaiting;    /* in Setup Assistant */
    uint64_t                  result_size;
    uint64_t                  inventory_size;
    uint32_t                  unlock_token;
    const char               *wake;        /* socket of mdmapns */

    int                       session;     /* of bench */
    uint32_t                  baseline_puts;
    uint32_t                  worker_pids[SIM_MAX_URLS];
    uint32_t                  nworkers;
    uint32_t                  redis_pid;
    int                       cpu;         /* -1: not pinned */

    const char               *api_url;     /* of torture */
    uint32_t                  api_connections;
    uint32_t                  churn;       /* devices that enroll again */
    uint32_t                  group;       /* ids of a call, at most */
    uint32_t                  depth;       /* of a queue, at most */
    uint32_t                  asleep;      /* one group in so many */
    uint64_t                  commands;

    int                       ddm;         /* devices do it */
    int                       check;       /* of ddm */

    sim_scep_option_t         scep;
    sim_then_e                then;        /* of renew */

    int                       json;
    int                       quiet;
} sim_option_t;


void sim_option_parse(sim_option_t *opt, int argc, char **argv);
/* mdmsim_option_check.c: what does not go together ends the program */
void sim_option_check(sim_option_t *opt);


#endif /* _MDMSIM_OPTION_H_INCLUDED_ */
