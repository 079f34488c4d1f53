
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What a device says: check-in messages, Idle and results.
 */


#include "mdmsim_message.h"


static void sim_message_begin(sim_plist_t *w, const char *type);
static void sim_identity(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, uint32_t user);
static void sim_padding(sim_plist_t *w, const sim_device_t *d,
    uint64_t size);
static void sim_error_chain(sim_plist_t *w, sim_answer_e answer,
    const sim_command_t *cmd);


static const char  *sim_answer_names[] = {
    "Acknowledged", "Error", "CommandFormatError", "NotNow"
};


const char *
sim_answer_name(sim_answer_e answer)
{
    return sim_answer_names[answer];
}


static void
sim_message_begin(sim_plist_t *w, const char *type)
{
    sim_plist_kstr(w, "MessageType", type);
}


/* the keys that say who speaks; user 0 is the device channel */

static void
sim_identity(sim_plist_t *w, const sim_fleet_t *f, const sim_device_t *d,
    uint32_t user)
{
    int         byod;
    sim_user_t  u;

    byod = d->kind == SIM_BYOD || d->kind == SIM_MACBYOD;

    sim_plist_kstr(w, byod ? "EnrollmentID" : "UDID", d->id);

    if (user == 0) {
        return;
    }

    sim_device_user(f, d, user, &u);

    if (byod) {
        sim_plist_kstr(w, "EnrollmentUserID", u.id);
        return;
    }

    sim_plist_kstr(w, "UserID", u.id);
    sim_plist_kstr(w, "UserShortName", u.short_name);

    if (d->kind == SIM_MAC) {
        sim_plist_kstr(w, "UserLongName", u.long_name);
        sim_plist_key(w, "NotOnConsole");
        sim_plist_bool(w, 0);
    }
}


void
sim_message_authenticate(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d)
{
    sim_message_begin(w, "Authenticate");
    sim_plist_kstr(w, "Topic", f->topic);
    sim_identity(w, f, d, 0);
    sim_plist_kstr(w, "DeviceName", d->name);
    sim_plist_kstr(w, "ModelName", d->model_name);
    sim_plist_kstr(w, "Model", d->model);
    sim_plist_kstr(w, "ProductName", d->product);
    sim_plist_kstr(w, "OSVersion", d->os);
    sim_plist_kstr(w, "BuildVersion", d->build);

    if (d->kind == SIM_BYOD || d->kind == SIM_MACBYOD) {
        return;
    }

    sim_plist_kstr(w, "SerialNumber", d->serial);

    if (d->kind == SIM_IPHONE) {
        sim_plist_kstr(w, "IMEI", d->imei);
    }
}


uint64_t
sim_push_token(const sim_fleet_t *f, uint32_t number, uint32_t user,
    uint8_t *token, char *magic)
{
    uint64_t  x;

    x = sim_hash(f->seed, number, 2000 + user);

    sim_fill(x, token, SIM_TOKEN);
    sim_uuid(x ^ 1, magic);

    return x;
}


void
sim_message_token(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, uint32_t user)
{
    char       magic[40];
    uint8_t    token[SIM_TOKEN];
    uint64_t   x;
    sim_buf_t  unlock;

    x = sim_push_token(&opt->fleet, d->number, user, token, magic);

    sim_message_begin(w, "TokenUpdate");
    sim_plist_kstr(w, "Topic", opt->fleet.topic);
    sim_identity(w, &opt->fleet, d, user);
    sim_plist_kstr(w, "PushMagic", magic);
    sim_plist_key(w, "Token");
    sim_plist_data(w, token, sizeof(token));

    if (user == 0) {
        sim_plist_key(w, "AwaitingConfiguration");
        sim_plist_bool(w, opt->awaiting);

        if (opt->unlock_token != 0
            && (d->kind == SIM_IPHONE || d->kind == SIM_IPAD))
        {
            memset(&unlock, 0, sizeof(sim_buf_t));
            sim_buf_reserve(&unlock, opt->unlock_token);
            sim_fill(x ^ 2, unlock.data, opt->unlock_token);
            sim_plist_key(w, "UnlockToken");
            sim_plist_data(w, unlock.data, opt->unlock_token);
            sim_buf_free(&unlock);
        }
    }
}


void
sim_bootstrap_token(const sim_fleet_t *f, const sim_device_t *d,
    uint8_t *token, size_t len)
{
    sim_fill(sim_hash(f->seed, d->number, 3000), token, len);
}


void
sim_message_bootstrap(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, int set)
{
    uint8_t  token[128];

    sim_message_begin(w, set ? "SetBootstrapToken" : "GetBootstrapToken");
    sim_identity(w, f, d, 0);
    sim_plist_key(w, "AwaitingConfiguration");
    sim_plist_bool(w, 0);

    if (set) {
        sim_bootstrap_token(f, d, token, sizeof(token));
        sim_plist_key(w, "BootstrapToken");
        sim_plist_data(w, token, sizeof(token));
    }
}


void
sim_message_checkout(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, uint32_t user)
{
    sim_message_begin(w, "CheckOut");
    sim_plist_kstr(w, "Topic", f->topic);
    sim_identity(w, f, d, user);
}


void
sim_message_ddm(sim_plist_t *w, const sim_fleet_t *f, const sim_device_t *d,
    uint32_t user, const char *endpoint, const sim_buf_t *data)
{
    sim_message_begin(w, "DeclarativeManagement");
    sim_identity(w, f, d, user);
    sim_plist_kstr(w, "Endpoint", endpoint);

    if (data != NULL) {
        sim_plist_key(w, "Data");
        sim_plist_data(w, data->data, data->len);
    }
}


void
sim_message_idle(sim_plist_t *w, const sim_fleet_t *f, const sim_device_t *d,
    uint32_t user)
{
    sim_plist_kstr(w, "Status", "Idle");
    sim_identity(w, f, d, user);
}


void
sim_message_result(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, uint32_t user, sim_answer_e answer,
    const sim_command_t *cmd)
{
    sim_plist_key(w, "CommandUUID");
    sim_plist_string(w, cmd->uuid.data, cmd->uuid.len);

    if (answer == SIM_COMMAND_ERROR || answer == SIM_FORMAT_ERROR) {
        sim_error_chain(w, answer, cmd);
    }

    if (answer == SIM_ACKNOWLEDGED) {

        if (opt->inventory_size != 0) {
            sim_inventory(w, d, opt->inventory_size);

        } else {
            sim_answer_keys(w, opt, d, cmd);
        }
    }

    sim_plist_kstr(w, "Status", sim_answer_names[answer]);
    sim_identity(w, &opt->fleet, d, user);

    if (answer == SIM_ACKNOWLEDGED && opt->result_size != 0) {
        sim_padding(w, d, opt->result_size);
    }
}


/* pads in the manner of an application list, which compresses as one */

static void
sim_padding(sim_plist_t *w, const sim_device_t *d, uint64_t size)
{
    char      text[96];
    uint64_t  i, x;

    static const char  *words[] = {
        "Mail", "Maps", "Notes", "Photo", "Video", "Music", "Draw", "Scan",
        "Office", "Travel", "Bank", "News", "Sport", "Chat", "Health", "Game"
    };

    sim_plist_key(w, "SimulatorPadding");
    sim_plist_array(w);

    /* a binary object costs about nine bytes besides its content */

    for (i = 0; (w->binary ? w->text.len + 9 * (uint64_t) w->nnodes
                           : w->out->len) + 60 < size; i++)
    {
        x = sim_mix(d->hash + i * 7 + 4000);

        sim_plist_dict(w);
        snprintf(text, sizeof(text), "com.example.%s%u", words[x & 15],
                 (unsigned) (x >> 8 & 0xfff));
        sim_plist_kstr(w, "Identifier", text);
        snprintf(text, sizeof(text), "%s %s", words[x & 15],
                 words[x >> 4 & 15]);
        sim_plist_kstr(w, "Name", text);
        snprintf(text, sizeof(text), "%u.%u.%u", (unsigned) (x >> 20 & 15),
                 (unsigned) (x >> 24 & 31), (unsigned) (x >> 30 & 7));
        sim_plist_kstr(w, "ShortVersion", text);
        sim_plist_key(w, "BundleSize");
        sim_plist_int(w, (int64_t) (x >> 36));
        sim_plist_end(w);
    }

    sim_plist_end(w);
}


static void
sim_error_chain(sim_plist_t *w, sim_answer_e answer,
    const sim_command_t *cmd)
{
    int        code;
    sim_buf_t  text;

    memset(&text, 0, sizeof(sim_buf_t));

    if (answer == SIM_FORMAT_ERROR) {
        code = 12002;
        sim_buf_printf(&text, "The command \xe2\x80\x9c%s\xe2\x80\x9d is "
                       "malformed.", cmd->type.data);

    } else {
        code = 12021;
        sim_buf_printf(&text, "The command \xe2\x80\x9c%s\xe2\x80\x9d cannot "
                       "be carried out.", cmd->type.data);
    }

    sim_plist_key(w, "ErrorChain");
    sim_plist_array(w);
    sim_plist_dict(w);
    sim_plist_key(w, "ErrorCode");
    sim_plist_int(w, code);
    sim_plist_kstr(w, "ErrorDomain", "MCMDMErrorDomain");
    sim_plist_kstr(w, "LocalizedDescription", text.data);
    sim_plist_kstr(w, "USEnglishDescription", text.data);
    sim_plist_end(w);
    sim_plist_end(w);

    sim_buf_free(&text);
}
