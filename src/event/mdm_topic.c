
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The names of events, as docs/events.md explains them.
 */


#include "mdm_topic.h"


static uint64_t mdm_topics_named(const mdm_str_t *name);


/* 64 at most; the place of each is its bit */

static const mdm_str_t  mdm_topics[] = {

    /* messages that NanoMDM tells of */

    mdm_string("mdm.Authenticate"),
    mdm_string("mdm.TokenUpdate"),
    mdm_string("mdm.CheckOut"),
    mdm_string("mdm.SetBootstrapToken"),
    mdm_string("mdm.Connect"),

    mdm_string("mdm.CertificateDue"),
    mdm_string("mdm.CertificateIssued"),
    mdm_string("mdm.CertificateLapsed"),
    mdm_string("mdm.CertificateRefused"),
    mdm_string("mdm.CertificateRenewed"),
    mdm_string("mdm.CommandLost"),
    mdm_string("mdm.DeclarationsChanged"),
    mdm_string("mdm.EnrollRefused"),
    mdm_string("mdm.Enrolling"),
    mdm_string("mdm.EventsDropped"),
    mdm_string("mdm.Pin"),
    mdm_string("mdm.Released"),
    mdm_string("mdm.ResultsDropped"),
    mdm_string("mdm.Setup"),
    mdm_string("mdm.StatusChanged"),
    mdm_string("mdm.StatusChangesDropped"),
    mdm_string("mdm.Waiting"),

    mdm_string("push.CertificateExpires"),
    mdm_string("push.TokenDiffers"),
    mdm_string("push.TopicResumed"),
    mdm_string("push.TopicStopped"),
    mdm_string("push.Unregistered"),

    mdm_string("api.Block"),
    mdm_string("api.Challenge"),
    mdm_string("api.CommandDelete"),
    mdm_string("api.Declaration"),
    mdm_string("api.Enqueue"),
    mdm_string("api.EnrollmentAdopt"),
    mdm_string("api.EnrollmentLink"),
    mdm_string("api.EnrollmentProfile"),
    mdm_string("api.EnrollmentSets"),
    mdm_string("api.EnrollmentTags"),
    mdm_string("api.EnrollmentVariables"),
    mdm_string("api.Forget"),
    mdm_string("api.Migrate"),
    mdm_string("api.Notify"),
    mdm_string("api.PinReset"),
    mdm_string("api.Push"),
    mdm_string("api.PushCertificate"),
    mdm_string("api.QueueClear"),
    mdm_string("api.Read"),
    mdm_string("api.SecretsRelease"),
    mdm_string("api.Serial"),
    mdm_string("api.Set"),
    mdm_string("api.Setup"),
    mdm_string("api.StatusSubscriptions"),
    mdm_string("api.Unblock"),
    mdm_string("api.Watcher"),
    mdm_string("api.WebhookForget"),
    mdm_string("api.WebhookReplay"),

    /* in no stream, and told by NanoMDM, too */

    mdm_string("mdm.Connect.Idle"),
    mdm_string("mdm.DeclarativeManagement"),
    mdm_string("mdm.GetBootstrapToken"),
    mdm_string("mdm.GetToken"),
    mdm_string("mdm.UserAuthenticate")
};

#define MDM_TOPICS            (sizeof(mdm_topics) / sizeof(mdm_str_t))

#define MDM_TOPICS_NANOMDM    5       /* the first ones, */
#define MDM_TOPICS_ONCE       5       /* and the last ones */


mdm_int_t
mdm_topics_read(const mdm_str_t *list, uint64_t *topics, mdm_str_t *bad)
{
    u_char     *p, *end, *comma;
    uint64_t    bits;
    mdm_str_t   name;

    *topics = 0;
    end = list->data + list->len;

    for (p = list->data; /* void */ ; p = comma + 1) {
        comma = memchr(p, ',', (size_t) (end - p));

        name.data = p;
        name.len = (size_t) (((comma != NULL) ? comma : end) - p);

        bits = mdm_topics_named(&name);

        if (bits == 0) {
            *bad = name;
            return MDM_DECLINED;
        }

        *topics |= bits;

        if (comma == NULL) {
            return MDM_OK;
        }
    }
}


static uint64_t
mdm_topics_named(const mdm_str_t *name)
{
    size_t      len;
    uint64_t    bits;
    mdm_uint_t  i;

    if (name->len < 2 || name->data[name->len - 1] != '*'
        || name->data[name->len - 2] != '.')
    {
        return mdm_str_is(name, "nanomdm")
               ? mdm_topics_once() | ((1 << MDM_TOPICS_NANOMDM) - 1)
               : mdm_topic(name);
    }

    len = name->len - 1;
    bits = 0;

    for (i = 0; i < MDM_TOPICS - MDM_TOPICS_ONCE; i++) {

        if (mdm_topics[i].len > len
            && memcmp(mdm_topics[i].data, name->data, len) == 0)
        {
            bits |= (uint64_t) 1 << i;
        }
    }

    return bits;
}


uint64_t
mdm_topic(const mdm_str_t *name)
{
    mdm_uint_t  i;

    for (i = 0; i < MDM_TOPICS; i++) {
        if (mdm_str_eq(&mdm_topics[i], name)) {
            return (uint64_t) 1 << i;
        }
    }

    return 0;
}


uint64_t
mdm_topics_once(void)
{
    return (((uint64_t) 1 << MDM_TOPICS_ONCE) - 1)
           << (MDM_TOPICS - MDM_TOPICS_ONCE);
}
