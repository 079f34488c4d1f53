
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The command line as a whole: what is missing, and what excludes what.
 */


#include "mdmsim_option.h"

#include <ctype.h>


static int sim_token(const char *s);
static void sim_option_check_run(sim_option_t *opt);
static void sim_option_check_way(const sim_option_t *opt);
static void sim_option_check_scep(sim_option_t *opt);
static int sim_one_of(const char *value, const char *const *words);
static void sim_option_check_identity(const sim_option_t *opt);


/* the name of a header: a token of HTTP */

static int
sim_token(const char *s)
{
    for ( /* void */ ; *s != '\0'; s++) {
        if (!isalnum((unsigned char) *s) && *s != '-' && *s != '_') {
            return 0;
        }
    }

    return 1;
}


void
sim_option_check(sim_option_t *opt)
{
    char         uuid[40];
    uint64_t     last;
    const char  *p;

    if (opt->fleet.topic[0] == '\0') {
        sim_uuid(opt->fleet.seed ^ 11000, uuid);
        for (p = uuid; *p != '\0'; p++) {
            uuid[p - uuid] = (char) tolower((unsigned char) *p);
        }
        snprintf(opt->fleet.topic, sizeof(opt->fleet.topic),
                 "com.apple.mgmt.External.%s", uuid);
    }

    if (opt->fleet.count == 0) {
        sim_die("\"--count\" must not be 0");
    }

    last = (uint64_t) opt->fleet.first + opt->fleet.count;
    if (last > SIM_MAX_DEVICES) {
        sim_die("device numbers end at %d", SIM_MAX_DEVICES - 1);
    }

    if (opt->channels == 0) {
        opt->channels = SIM_CHANNEL_DEVICE
                        | (opt->fleet.users != 0 ? SIM_CHANNEL_USER : 0);
    }

    if ((opt->cmd & (SIM_CMD_CERT|SIM_CMD_MESSAGE)) != 0) {
        opt->fleet.first = opt->device;
        opt->fleet.count = 1;
    }

    if (opt->notnow + opt->error + opt->format_error > 100) {
        sim_die("\"--notnow\", \"--error\" and \"--format-error\" are more"
                " than 100 percent together");
    }

    if (opt->rate > 0 && opt->interval != 0) {
        sim_die("\"--rate\" and \"--interval\" exclude each other");
    }

    if (opt->wake != NULL && (opt->rate > 0 || opt->interval != 0)) {
        sim_die("\"--wake\" says when devices come, as \"--rate\" and"
                " \"--interval\" do");
    }

    if (opt->header_cert != NULL && !sim_token(opt->header_cert)) {
        sim_die("bad name of a header \"%s\"", opt->header_cert);
    }

    if (opt->server_name != NULL) {
        for (p = opt->server_name; *p != '\0'; p++) {
            if (!isalnum((unsigned char) *p) && strchr("-.*", *p) == NULL) {
                sim_die("bad name \"%s\"", opt->server_name);
            }
        }
    }

    if (opt->cmd == SIM_CMD_CERT && opt->out == NULL) {
        sim_die("\"--out\" is needed");
    }

    if ((opt->apple_cert == NULL) != (opt->apple_key == NULL)) {
        sim_die("\"--apple-cert\" and \"--apple-key\" go together");
    }

    sim_option_check_run(opt);
    sim_option_check_scep(opt);

    if (opt->cmd == SIM_CMD_DDM) {

        if (opt->check && opt->api_url == NULL) {
            sim_die("\"--api-url\" is needed for \"--check\"");
        }

        /* the rest is as in "run" */

        opt->cmd = SIM_CMD_RUN;
        opt->ddm = 1;
    }

    sim_option_check_identity(opt);
}


/* what speaks to a server, and for how long */

static void
sim_option_check_run(sim_option_t *opt)
{
    if ((opt->cmd & SIM_NET) != 0) {

        /* SCEP alone is enough */

        if (opt->nurls == 0 && opt->scep.url == NULL && opt->way == NULL) {
            sim_die("\"--url\" is needed");
        }

        if (opt->nurls > 1 && opt->cmd != SIM_CMD_BENCH) {
            sim_die("only \"bench\" takes more than one \"--url\"");
        }

        if (opt->connections == 0) {
            sim_die("\"--connections\" must not be 0");
        }

        if (opt->timeout == 0) {
            sim_die("\"--timeout\" must not be 0");
        }
    }

    if ((opt->cmd & SIM_RUN) != 0 && opt->duration == 0
        && opt->requests == 0)
    {
        opt->duration = 60 * SIM_SEC;
    }

    if (opt->cmd == SIM_CMD_BENCH && opt->duration == 0) {
        opt->duration = 30 * SIM_SEC;
    }

    if (opt->cmd == SIM_CMD_TORTURE) {

        if (opt->api_url == NULL) {
            sim_die("\"--api-url\" is needed");
        }

        if (opt->group == 0 || opt->depth == 0 || opt->api_connections == 0
            || opt->asleep == 0)
        {
            sim_die("\"--group\", \"--depth\", \"--api-connections\" and"
                    " \"--asleep\" must not be 0");
        }

        if (opt->churn >= opt->fleet.count) {
            sim_die("\"--churn\" must be less than \"--count\"");
        }
    }
}


static int
sim_one_of(const char *value, const char *const *words)
{
    if (value == NULL) {
        return 1;
    }

    for ( /* void */ ; *words != NULL; words++) {
        if (strcmp(value, *words) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
sim_option_check_way(const sim_option_t *opt)
{
    static const char  *ways[] = { "link", "ota", "ade", "ade-web", NULL };

    if (!sim_one_of(opt->way, ways)) {
        sim_die("\"--way\" must be link, ota, ade or ade-web");
    }

    if (strcmp(opt->way, "link") != 0 && opt->apple_cert == NULL) {
        sim_die("\"--apple-cert\" and \"--apple-key\" are needed for"
                " \"--way %s\"", opt->way);
    }

    if ((opt->link == NULL) == (opt->link_file == NULL)) {
        sim_die("either \"--link\" or \"--link-file\" is needed");
    }

    /* all of that is in the profile */

    if (opt->nurls != 0 || opt->checkin_url != NULL || opt->scep.url != NULL
        || opt->scep.challenge != NULL || opt->scep.challenge_file != NULL)
    {
        sim_die("\"--way\" excludes \"--url\", \"--checkin-url\","
                " \"--scep\" and its challenges");
    }
}


static void
sim_option_check_scep(sim_option_t *opt)
{
    size_t                    n;
    const sim_scep_option_t  *s;

    static const char  *digests[] = {
        "sha1", "sha256", "sha384", "sha512", NULL
    };

    static const char  *ciphers[] = {
        "aes128", "aes192", "aes256", "des3", "des", NULL
    };

    s = &opt->scep;

    if (opt->way != NULL) {
        sim_option_check_way(opt);

    } else if (s->url == NULL) {
        if (opt->cmd == SIM_CMD_RENEW) {
            sim_die("\"--scep\" is needed");
        }

        if (s->name != NULL || s->challenge != NULL
            || s->challenge_file != NULL || s->fingerprint != NULL
            || s->digest != NULL || s->cipher != NULL || s->legacy || s->get
            || s->keep || s->key_of != 0 || s->subject != NULL
            || s->fault != SIM_FAULT_NONE)
        {
            sim_die("\"--scep\" is needed for the options of SCEP");
        }

        return;
    }

    if (opt->dir == NULL && opt->identities == NULL) {
        sim_die("\"--identities\" or \"--dir\" is needed: that is where"
                " certificates are kept");
    }

    if (opt->identities == NULL) {
        snprintf(opt->scep.dir, sizeof(opt->scep.dir), "%s/scep", opt->dir);
        opt->identities = opt->scep.dir;
    }

    if (opt->previous) {
        sim_die("\"--previous\" and \"--scep\" exclude each other");
    }

    if (opt->shared_key || opt->ca_cert != NULL) {
        sim_die("with \"--scep\" each device has a key of its own, and the"
                " server has the CA");
    }

    if (s->challenge != NULL && s->challenge_file != NULL) {
        sim_die("\"--scep-challenge\" and \"--scep-challenge-file\" exclude"
                " each other");
    }

    if (s->fault == SIM_FAULT_CHALLENGE && s->challenge == NULL
        && s->challenge_file == NULL)
    {
        sim_die("there is no challenge that could be wrong");
    }

    if (!sim_one_of(s->digest, digests) || !sim_one_of(s->cipher, ciphers)) {
        sim_die("\"--scep-digest\": sha1, sha256, sha384 or sha512;"
                " \"--scep-cipher\": aes128, aes192, aes256, des3 or des");
    }

    if (s->bits != 1024 && s->bits != 2048 && s->bits != 3072
        && s->bits != 4096)
    {
        sim_die("\"--scep-bits\": 1024, 2048, 3072 or 4096");
    }

    if (s->usage != 0 && s->usage != 1 && s->usage != 4 && s->usage != 5) {
        sim_die("\"--scep-usage\": 0, 1, 4 or 5");
    }

    if (s->fingerprint != NULL) {
        n = strlen(s->fingerprint);

        if ((n != 32 && n != 40 && n != 64)
            || strspn(s->fingerprint, "0123456789abcdefABCDEF") != n)
        {
            sim_die("\"--scep-fingerprint\": MD5, SHA-1 or SHA-256 in hex");
        }
    }
}


static void
sim_option_check_identity(const sim_option_t *opt)
{
    int       need;
    uint32_t  i;

    if ((opt->ca_cert == NULL) != (opt->ca_key == NULL)) {
        sim_die("\"--ca-cert\" and \"--ca-key\" come together");
    }

    if (opt->identities != NULL
        && (opt->ca_cert != NULL || opt->shared_key))
    {
        sim_die("\"--identities\" has keys and certificates already");
    }

    if (opt->previous && opt->identities == NULL) {
        sim_die("\"--previous\" needs \"--identities\"");
    }

    need = opt->cmd == SIM_CMD_CERT || opt->sign || opt->header_cert != NULL
           || opt->signature != NULL || opt->previous;

    for (i = 0; i < opt->nurls; i++) {
        need |= strncmp(opt->urls[i], "https:", 6) == 0;
    }

    if (opt->checkin_url != NULL) {
        need |= strncmp(opt->checkin_url, "https:", 6) == 0;
    }

    if (opt->cmd == SIM_CMD_CA ? opt->dir == NULL
                               : need && opt->dir == NULL
                                 && opt->ca_cert == NULL
                                 && opt->identities == NULL)
    {
        sim_die("\"--dir\"%s is needed",
                opt->cmd == SIM_CMD_CA ? "" : ", or \"--identities\", or"
                                              " \"--ca-cert\" and"
                                              " \"--ca-key\",");
    }
}
